"""Write weights of AdaptSegNet's or ADVENT's DeepLabV2 for the segmentor of a config."""

import argparse
from pathlib import Path

from mmseg_da.engine import launch
from mmseg_da.engine.importing import import_deeplabv2
from mmseg_da.errors import user_errors

EPILOG = """
CONFIG is adaptsegnet_*.py for AdaptSegNet, whose classifiers have two branches in effect, and
advent_*.py for ADVENT, where they have four.
"""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    launch.add_common_flags(parser, runs=False)
    parser.add_argument('src', metavar='SRC', help='file or address of the weights')
    parser.add_argument('dst', metavar='DST', type=Path, help='file to write')
    parser.add_argument('--force', action='store_true', help='replace DST')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = launch.read_config(args.config, args.cfg_options)
    for line in import_deeplabv2(cfg, args.src, args.dst, args.force):
        print(line)


if __name__ == '__main__':
    with user_errors():
        main()
