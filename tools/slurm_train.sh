#!/usr/bin/env bash
# Train on a slurm cluster: srun starts one process per GPU.
set -euo pipefail
usage="[GPUS=4 GPUS_PER_NODE=4 CPUS_PER_TASK=5 SRUN_ARGS= PYTHON=python]"
usage+=" tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]"
source "$(dirname "${BASH_SOURCE[0]}")/launching.sh"

[ $# -ge 3 ] || tell_usage
partition=$1 job_name=$2 config=$3
shift 3
by_srun "$partition" "$job_name" train.py "$config" --launcher slurm "$@"
