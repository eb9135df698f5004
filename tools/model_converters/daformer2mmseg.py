"""Write a checkpoint of the released DAFormer, HRDA or MIC for the segmentor of a config."""

import argparse
from pathlib import Path

from mmseg_da.engine import launch
from mmseg_da.engine.importing import import_daformer
from mmseg_da.errors import user_errors

EPILOG = """
DST holds the segmentor, its classes and its palette: tools/test.py tests it with CONFIG, and
load_from starts a training with it.
"""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    launch.add_common_flags(parser, runs=False)
    parser.add_argument('src', metavar='SRC', help='file or address of the checkpoint')
    parser.add_argument('dst', metavar='DST', type=Path, help='file to write')
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        '--teacher', action='store_true', help="write the teacher's weights as the segmentor's"
    )
    which.add_argument(
        '--adaptor', action='store_true', help='write segmentor and teacher, to train further'
    )
    parser.add_argument('--force', action='store_true', help='replace DST')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = launch.read_config(args.config, args.cfg_options)
    for line in import_daformer(cfg, args.src, args.dst, args.teacher, args.adaptor, args.force):
        print(line)


if __name__ == '__main__':
    with user_errors():
        main()
