#!/usr/bin/env bash
# Makes or changes the stack by a change set: shows what would change, and does it with --yes only.
# usage: batch/aws/deploy.sh STACK [--yes] PARAMETER=VALUE...
# A parameter that is not named keeps its value. Lists are written with commas: SubnetIds=subnet-1,subnet-2
set -euo pipefail
template=$(dirname "$0")/template.yaml
if [ $# -lt 1 ] || [ "${1#-}" != "$1" ]; then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
fi
stack=$1
shift

yes=
given=()
for word in "$@"; do
    case $word in
        --yes) yes=1 ;;
        ?*=*) given+=("$word") ;;
        *) echo "error: $word is neither --yes nor PARAMETER=VALUE" >&2; exit 2 ;;
    esac
done

status=$(aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].StackStatus' --output text 2>/dev/null || true)
case $status in
    '' | None | REVIEW_IN_PROGRESS) kind=CREATE; before= ;;
    *)
        kind=UPDATE
        before=$(aws cloudformation describe-stacks --stack-name "$stack" \
            --query 'Stacks[0].Parameters[].ParameterKey' --output text)
        ;;
esac

# as JSON: the short form takes the commas of a list for its own
named=,
parameters=
add() { parameters+=${parameters:+,}$1; }
text() { local value=${1//\\/\\\\}; printf '"%s"' "${value//\"/\\\"}"; }
for word in ${given[@]+"${given[@]}"}; do
    key=${word%%=*}
    named+=$key,
    add "{\"ParameterKey\":$(text "$key"),\"ParameterValue\":$(text "${word#*=}")}"
done
for key in $before; do
    case $named in
        *,"$key",*) ;;
        *) ! grep -q "^  $key:\$" "$template" || add "{\"ParameterKey\":$(text "$key"),\"UsePreviousValue\":true}" ;;
    esac
done

set=varbatch-$(date -u +%Y%m%dT%H%M%S)-$$
aws cloudformation create-change-set --stack-name "$stack" --change-set-name "$set" --change-set-type "$kind" \
    --template-body "file://$template" --capabilities CAPABILITY_IAM --parameters "[$parameters]" > /dev/null
if ! aws cloudformation wait change-set-create-complete --stack-name "$stack" --change-set-name "$set"; then
    why=$(aws cloudformation describe-change-set --stack-name "$stack" --change-set-name "$set" \
        --query StatusReason --output text)
    aws cloudformation delete-change-set --stack-name "$stack" --change-set-name "$set"
    case $why in
        *"didn't contain changes"* | *"No updates are to be performed"*) echo "nothing changes" >&2; exit 0 ;;
        *) echo "error: $why" >&2; exit 1 ;;
    esac
fi
aws cloudformation describe-change-set --stack-name "$stack" --change-set-name "$set" \
    --query 'Changes[].ResourceChange.[Action, LogicalResourceId, ResourceType, Replacement]' --output table
if [ -z "$yes" ]; then
    echo "nothing was done yet. To do it:" >&2
    echo "aws cloudformation execute-change-set --stack-name $stack --change-set-name $set"
    exit 0
fi
aws cloudformation execute-change-set --stack-name "$stack" --change-set-name "$set"
case $kind in
    CREATE) aws cloudformation wait stack-create-complete --stack-name "$stack" ;;
    UPDATE) aws cloudformation wait stack-update-complete --stack-name "$stack" ;;
esac
aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].Outputs[].[OutputKey, OutputValue]' --output table
