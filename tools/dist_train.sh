#!/usr/bin/env bash
# Train in several processes by torchrun, one per GPU; on a machine without a GPU on the CPU, by gloo.
set -euo pipefail

usage() {
    echo "usage: [NNODES=1 NODE_RANK=0 MASTER_ADDR=127.0.0.1 PORT=29500 PYTHON=python]" \
        "tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]" >&2
    exit 2
}

[ $# -ge 2 ] || usage
config=$1 gpus=$2
case $gpus in
    '' | *[!0-9]* | 0*) echo "error: GPUS must be a whole number above 0, not '$gpus'" >&2; usage ;;
esac
shift 2

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}"
# Seconds that a training has to save a checkpoint when it is told to end.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT="${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-300}"

exec "${PYTHON:-python}" "$tools/dist_run.py" \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    "$tools/train.py" "$config" --launcher pytorch "$@"
