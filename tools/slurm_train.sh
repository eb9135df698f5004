#!/usr/bin/env bash
# Train on a slurm cluster: srun starts one process per GPU.
set -euo pipefail

usage() {
    echo "usage: [GPUS=4 GPUS_PER_NODE=4 CPUS_PER_TASK=5 SRUN_ARGS= PYTHON=python]" \
        "tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]" >&2
    exit 2
}

[ $# -ge 3 ] || usage
partition=$1 job_name=$2 config=$3
shift 3
gpus=${GPUS:-4} gpus_per_node=${GPUS_PER_NODE:-4} cpus_per_task=${CPUS_PER_TASK:-5}
for number in "$gpus" "$gpus_per_node" "$cpus_per_task"; do
    case $number in
        '' | *[!0-9]* | 0*)
            echo "error: GPUS, GPUS_PER_NODE and CPUS_PER_TASK must be whole numbers above 0," \
                "not '$number'" >&2
            usage
            ;;
    esac
done
command -v srun >/dev/null || { echo "error: srun not found: this is no slurm cluster" >&2; exit 2; }
read -r -a srun_args <<<"${SRUN_ARGS:-}" # several arguments in one variable, split at spaces

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}"

exec srun -p "$partition" \
    --job-name="$job_name" \
    --gres=gpu:"$gpus_per_node" \
    --ntasks="$gpus" \
    --ntasks-per-node="$gpus_per_node" \
    --cpus-per-task="$cpus_per_task" \
    --kill-on-bad-exit=1 \
    ${srun_args[@]+"${srun_args[@]}"} \
    "${PYTHON:-python}" -u "$tools/train.py" "$config" --launcher slurm "$@"
