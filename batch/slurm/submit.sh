#!/bin/sh
# Both stages and finalize as Slurm jobs, by hand. usage: submit.sh DATASET TASKS
# (`varbatch submit DATASET --to slurm --tasks N` does the same, and more.)
set -eu
dataset=$1
last=$(($2 - 1))
here=$(dirname "$0")
ingest=$(sbatch --parsable --array="0-$last" "$here/array.sbatch" "$dataset" ingest)
call=$(sbatch --parsable --array="0-$last" --dependency="afterok:$ingest" "$here/array.sbatch" "$dataset" call)
# shellcheck disable=SC2016  # the job expands it
printf '#!/bin/sh\nexec varbatch finalize "$1"\n' |
    sbatch --parsable --dependency="afterok:$call" --job-name=varbatch-finalize /dev/stdin "$dataset"
