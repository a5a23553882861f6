#!/usr/bin/env bash
# Builds the image of batch/Dockerfile without a daemon and without a registry, and runs it.
# usage: batch/tests/image.sh VARBATCH
# The base is made by debootstrap; the program is the one given, in place of the stage that compiles it. Needs root, buildah and
# debootstrap.
set -euo pipefail
varbatch=$(realpath "$1")
cd "$(dirname "$0")/../.."

skip() {
    echo "SKIPPED: $1" >&2
    [ -z "${VARBATCH_REQUIRE_ALL:-}" ] || exit 1
    exit 0
}
PATH=$PATH:/usr/sbin
for program in buildah debootstrap; do
    command -v "$program" >/dev/null || skip "$program is not installed"
done
[ "$(id -u)" = 0 ] || skip "building an image without a daemon needs root"

work=$(mktemp -d /var/tmp/varbatch-image.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root" "$work/run" "$work/program" "$work/base"
buildah() { command buildah --root "$work/root" --runroot "$work/run" --storage-driver vfs "$@"; }

debootstrap --variant=minbase --include=ca-certificates bookworm "$work/rootfs" > "$work/debootstrap.log" \
    || { tail "$work/debootstrap.log"; exit 1; }
tar -C "$work/rootfs" -cf "$work/base/rootfs.tar" --exclude=./dev --exclude=./proc --exclude=./sys .
rm -rf "$work/rootfs"
printf 'FROM scratch\nADD rootfs.tar /\n' > "$work/base/Dockerfile"
buildah build --quiet --isolation chroot --tag localhost/base "$work/base" > /dev/null

# the stage `build` is what takes long: its result is given instead
cp "$varbatch" "$work/program/varbatch"
awk '/^FROM / && / AS build$/ { print "FROM scratch AS build"; print "COPY varbatch /varbatch"; inside = 1; next }
     /^FROM / { inside = 0 }
     !inside { print }' batch/Dockerfile > "$work/program/Dockerfile"
grep -q "^COPY --from=build" "$work/program/Dockerfile"
buildah build --quiet --isolation chroot --build-arg BASE=localhost/base --build-arg REVISION=abc --tag localhost/varbatch "$work/program" > /dev/null

config=$(buildah inspect --type image --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}}' localhost/varbatch)
[ "$config" = "10001 [varbatch]" ] || { echo "error: the image has $config" >&2; exit 1; }
label=$(buildah inspect --type image --format '{{index .OCIv1.Config.Labels "org.opencontainers.image.revision"}}' localhost/varbatch)
[ "$label" = abc ] || { echo "error: the label of the revision is '$label'" >&2; exit 1; }
container=$(buildah from localhost/varbatch)
run() { buildah run --isolation chroot "$@"; }
[ "$(run "$container" -- varbatch --version)" = "$("$varbatch" --version)" ]
[ "$(run "$container" -- id -u)" = 10001 ]
run "$container" -- test -e /etc/ssl/certs/ca-certificates.crt
# a task of an array, as that user
run "$container" -- sh -c 'cd /tmp && varbatch simulate -o s --samples 5 --length 50000 --seed 1 && varbatch plan s/cohort.vcf.gz -o d.ds' > /dev/null
run --env AWS_BATCH_JOB_ARRAY_INDEX=0 --env AWS_BATCH_JOB_ARRAY_SIZE=1 "$container" -- sh -c 'cd /tmp && varbatch work d.ds --quiet'
run "$container" -- sh -c 'cd /tmp && varbatch finalize d.ds && varbatch verify d.ds'
echo "the image: ok ($SECONDS s)"
