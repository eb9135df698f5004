#!/usr/bin/env bash
# Test on a slurm cluster: srun starts one process per GPU.
set -euo pipefail
usage="[GPUS=4 GPUS_PER_NODE=4 CPUS_PER_TASK=5 SRUN_ARGS= PYTHON=python]"
usage+=" tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]"
source "$(dirname "${BASH_SOURCE[0]}")/launching.sh"

[ $# -ge 4 ] || tell_usage
partition=$1 job_name=$2 config=$3 checkpoint=$4
shift 4
by_srun "$partition" "$job_name" test.py "$config" "$checkpoint" --launcher slurm "$@"
