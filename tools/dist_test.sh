#!/usr/bin/env bash
# Test in several processes by torchrun, one per GPU; on a machine without a GPU on the CPU, by gloo.
set -euo pipefail
usage="[NNODES=1 NODE_RANK=0 MASTER_ADDR=127.0.0.1 PORT=29500 PYTHON=python]"
usage+=" tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]"
source "$(dirname "${BASH_SOURCE[0]}")/launching.sh"

[ $# -ge 3 ] || tell_usage
config=$1 checkpoint=$2 gpus=$3
shift 3
by_torchrun "$gpus" test.py "$config" "$checkpoint" --launcher pytorch "$@"
