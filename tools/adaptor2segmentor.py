"""Write a trained segmentor as a config and a checkpoint that mmseg reads without mmseg_da."""

import argparse
from pathlib import Path

from mmseg_da.engine import launch
from mmseg_da.engine.leaving import leave
from mmseg_da.errors import user_errors

EPILOG = """
OUT becomes a folder with OUT.py, the config of the segmentor alone with what tests it, and OUT.pth,
its weights and classes. Networks with modules that mmseg lacks, such as DeepLabV2, get these as
files beside the config. Predictions stay the same, bit for bit.
"""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    launch.add_common_flags(parser, runs=False)
    parser.add_argument('checkpoint', help='checkpoint file of that config')
    parser.add_argument(
        'out', type=Path, metavar='OUT', help='folder to write, e.g. leaving/pspnet'
    )
    parser.add_argument(
        '--force', action='store_true', help='replace the files of these names in OUT'
    )
    parser.add_argument(
        '--teacher',
        action='store_true',
        help="take the mean teacher's weights, not the segmentor's",
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = launch.read_config(args.config, args.cfg_options)
    for line in leave(cfg, args.checkpoint, args.out, args.force, args.teacher):
        print(line)


if __name__ == '__main__':
    with user_errors():
        main()
