# What the scripts share that start several processes. Each sets `usage`, then sources this file.

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}"

tell_usage() {
    echo "usage: $usage" >&2
    exit 2
}

require_count() { # NAME VALUE
    case $2 in
        '' | *[!0-9]* | 0*)
            echo "error: $1 must be a whole number above 0, not '$2'" >&2
            tell_usage
            ;;
    esac
}

by_torchrun() { # GPUS TOOL [arguments]
    local gpus=$1 tool=$2
    shift 2
    require_count GPUS "$gpus"
    exec "${PYTHON:-python}" "$tools/dist_run.py" \
        --nnodes="${NNODES:-1}" \
        --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="${PORT:-29500}" \
        --nproc_per_node="$gpus" \
        "$tools/$tool" "$@"
}

by_srun() { # PARTITION JOB_NAME TOOL [arguments]
    local partition=$1 job_name=$2 tool=$3 srun_args
    shift 3
    local gpus=${GPUS:-4} gpus_per_node=${GPUS_PER_NODE:-4} cpus_per_task=${CPUS_PER_TASK:-5}
    require_count GPUS "$gpus"
    require_count GPUS_PER_NODE "$gpus_per_node"
    require_count CPUS_PER_TASK "$cpus_per_task"
    command -v srun >/dev/null || { echo "error: srun not found: this is no slurm cluster" >&2; exit 2; }
    read -r -a srun_args <<<"${SRUN_ARGS:-}" # several arguments in one variable, split at spaces
    exec srun -p "$partition" \
        --job-name="$job_name" \
        --gres=gpu:"$gpus_per_node" \
        --ntasks="$gpus" \
        --ntasks-per-node="$gpus_per_node" \
        --cpus-per-task="$cpus_per_task" \
        --kill-on-bad-exit=1 \
        ${srun_args[@]+"${srun_args[@]}"} \
        "${PYTHON:-python}" -u "$tools/$tool" "$@"
}
