#!/usr/bin/env bash
# Ends the jobs of one dataset, those that run and those that wait.
# usage: batch/aws/cancel.sh QUEUE PLAN_SHA256 [REASON]
# PLAN_SHA256 is what `varbatch plan` and `varbatch status` print. Finished shards stay: submit again to go on.
# A job that waits is ended before the ones it waits for, so that nothing starts meanwhile.
set -euo pipefail
if [ $# -lt 2 ] || [ "${#2}" -lt 12 ]; then
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
fi
queue=$1
name=varbatch-${2:0:12}-
reason=${3:-cancelled by hand}

ended=0
for status in SUBMITTED PENDING RUNNABLE STARTING RUNNING; do
    # one line for each page; "None" is a page without such jobs
    ids=$(aws batch list-jobs --job-queue "$queue" --job-status "$status" \
        --query "jobSummaryList[?starts_with(jobName, '$name')].jobId" --output text)
    for id in $ids; do
        [ "$id" != None ] || continue
        # of an array, this ends all children
        aws batch terminate-job --job-id "$id" --reason "$reason"
        echo "$id"
        ended=$((ended + 1))
    done
done
echo "$ended jobs ended" >&2
