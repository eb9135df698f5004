#!/usr/bin/env bash
# Test in several processes by torchrun, one per GPU; on a machine without a GPU on the CPU, by gloo.
set -euo pipefail

usage() {
    echo "usage: [NNODES=1 NODE_RANK=0 MASTER_ADDR=127.0.0.1 PORT=29500 PYTHON=python]" \
        "tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]" >&2
    exit 2
}

[ $# -ge 3 ] || usage
config=$1 checkpoint=$2 gpus=$3
case $gpus in
    '' | *[!0-9]* | 0*) echo "error: GPUS must be a whole number above 0, not '$gpus'" >&2; usage ;;
esac
shift 3

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}"

exec "${PYTHON:-python}" "$tools/dist_run.py" \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    "$tools/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
