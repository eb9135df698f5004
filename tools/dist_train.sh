#!/usr/bin/env bash
# Train in several processes by torchrun, one per GPU; on a machine without a GPU on the CPU, by gloo.
set -euo pipefail
usage="[NNODES=1 NODE_RANK=0 MASTER_ADDR=127.0.0.1 PORT=29500 PYTHON=python]"
usage+=" tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]"
source "$(dirname "${BASH_SOURCE[0]}")/launching.sh"

[ $# -ge 2 ] || tell_usage
config=$1 gpus=$2
shift 2
# Seconds that a training has to save a checkpoint when it is told to end.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT="${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-300}"
by_torchrun "$gpus" train.py "$config" --launcher pytorch "$@"
