#!/usr/bin/env bash
# A private Slurm on this machine, and varbatch on it: stages that wait for each other, a base that is not 0, a task that is put
# back. usage: batch/tests/slurm.sh VARBATCH
# Needs root and Debian's slurmctld, slurmd, slurm-client, slurm-wlm-basic-plugins, munge; no systemd, no cgroups.
set -euo pipefail
varbatch=$(realpath "$1")

skip() {
    echo "SKIPPED: $1" >&2
    [ -z "${VARBATCH_REQUIRE_ALL:-}" ] || exit 1
    exit 0
}
for program in munged slurmctld slurmd sbatch squeue scontrol scancel; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || skip "$program is not installed"
done
[ "$(id -u)" = 0 ] || skip "a private Slurm needs root here"
PATH=$PATH:/usr/sbin

work=$(mktemp -d /tmp/varbatch-slurm.XXXXXX)
pids=()
# invoked by the trap
# shellcheck disable=SC2317
cleanup() {
    status=$?
    if [ "$status" != 0 ]; then
        tail -n 20 "$work"/*.log "$work"/out/* 2>/dev/null >&2 || true
    fi
    scancel --user=root 2>/dev/null || true
    kill "${pids[@]}" 2>/dev/null || true
    [ ! -e "$work/munged.pid" ] || kill "$(cat "$work/munged.pid")" 2>/dev/null || true
    sleep 1
    rm -rf "$work"
}
trap cleanup EXIT

cpus=$(nproc)
port=$((20000 + RANDOM % 20000))
mkdir -p "$work/munge" "$work/state" "$work/spool" "$work/out"
chmod 755 "$work"
chown munge "$work/munge"
dd if=/dev/urandom of="$work/munge/key" bs=1 count=1024 status=none
chown munge "$work/munge/key"
chmod 400 "$work/munge/key"
runuser -u munge -- munged --key-file="$work/munge/key" --socket="$work/munge/socket" --pid-file="$work/munge/pid" \
    --log-file="$work/munge/log" --seed-file="$work/munge/seed" --force
cp "$work/munge/pid" "$work/munged.pid"
cat > "$work/slurm.conf" <<END
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CryptoType=crypto/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,sched_min_interval=100000
ReturnToService=2
KillWait=5
MaxArraySize=1001
NodeName=localhost NodeHostname=$(hostname) NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=2000
PartitionName=main Nodes=localhost Default=YES State=UP
END
export SLURM_CONF=$work/slurm.conf
slurmctld -D -f "$SLURM_CONF" >/dev/null 2>&1 & pids+=($!)
slurmd -D -f "$SLURM_CONF" -N localhost >/dev/null 2>&1 & pids+=($!)
for _ in $(seq 60); do
    [ "$(sinfo -h -o %T 2>/dev/null)" = idle ] && break
    sleep 0.5
done
[ "$(sinfo -h -o %T)" = idle ] || { echo "error: Slurm does not start" >&2; exit 1; }
echo "Slurm $(sinfo --version | cut -d' ' -f2) runs with $cpus CPUs"

finished() { # finished ID: waits until a job is gone from the queue
    for _ in $(seq 240); do
        squeue -h -j "$1" 2>/dev/null | grep -q . || return 0
        sleep 0.5
    done
    squeue >&2
    echo "error: job $1 does not end" >&2
    return 1
}

same() { # same A B: two datasets have the same manifest
    cmp "$1/_manifest.json" "$2/_manifest.json"
}

cd "$work"
"$varbatch" simulate -o gvcf --samples 150 --length 60000 --seed 9 --gvcf 2>/dev/null
"$varbatch" simulate -o vcf --samples 300 --length 12000000 --seed 9 2>/dev/null
vcf=(vcf/cohort.vcf.gz --shard-size 50000)
gvcf=(gvcf/gvcf/*.g.vcf.gz -f gvcf/reference.fa --shard-size 50000)
"$varbatch" call "${vcf[@]}" -o vcf-whole.ds --quiet
"$varbatch" call "${gvcf[@]}" -o gvcf-whole.ds --quiet
submit=(--to slurm --program "$varbatch" --cpus 1 --task-memory 400M --tasks 3)
submit+=("--sbatch-option=--output=$work/out/%A_%a.txt")

echo "== two stages and finalize, each waiting for the one before"
"$varbatch" plan "${gvcf[@]}" -o gvcf.ds > /dev/null
ids=$("$varbatch" submit gvcf.ds "${submit[@]}" 2>/dev/null)
[ "$(wc -l <<< "$ids")" = 3 ]
finished "$(tail -n 1 <<< "$ids")"
same gvcf.ds gvcf-whole.ds

echo "== an array from 7 to 11 with a step of 2"
"$varbatch" plan "${vcf[@]}" -o base.ds > /dev/null
id=$(sbatch --parsable --array=7-11:2 --mem=400 --output="$work/out/%A_%a.txt" <<END
#!/bin/sh
exec $varbatch work base.ds --quiet
END
)
finished "$id"
"$varbatch" finalize base.ds 2>/dev/null
same base.ds vcf-whole.ds

echo "== a task that is put back is interrupted, and goes on where it was"
"$varbatch" plan "${vcf[@]}" -o requeued.ds > /dev/null
cat > slow.sh <<END
#!/bin/sh
#SBATCH --requeue --open-mode=append --mem=400 --output=$work/out/%j.txt
exec $varbatch work requeued.ds --threads 1
END
id=$(sbatch --parsable slow.sh)
for _ in $(seq 200); do
    [ -d requeued.ds/_commits/call ] && [ "$(find requeued.ds/_commits/call -name '*.json' | wc -l)" -gt 2 ] && break
    sleep 0.02
done
scontrol requeue "$id"
# Slurm waits two minutes before it starts a job again; the wait is cut short here
for _ in $(seq 80); do
    state=$(squeue -h -j "$id" -o %T)
    if [ "$state" = PENDING ]; then
        done_before=${done_before:-$(find requeued.ds/_commits/call -name '*.json' | wc -l)}
        [ ! -e requeued.ds/_manifest.json ]
        scontrol update jobid="$id" starttime=now 2>/dev/null || true
    elif [ -n "${done_before:-}" ]; then
        break
    fi
    sleep 0.5
done
finished "$id"
grep -qi "interrupt" "$work/out/$id.txt"
grep "shards done, $done_before done before" "$work/out/$id.txt"
"$varbatch" finalize requeued.ds 2>/dev/null
same requeued.ds vcf-whole.ds
echo "all of Slurm: ok ($SECONDS s)"
