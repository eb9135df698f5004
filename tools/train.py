"""Train a segmentor, with or without domain adaptation: mmseg's ``tools/train.py``, flag for flag."""

import argparse

from mmseg_da.engine import launch
from mmseg_da.engine.distributed import leaving_processes
from mmseg_da.errors import user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Train a segmentor')
    launch.add_common_flags(parser)
    parser.add_argument('--work-dir', help='the dir to save logs and models')
    parser.add_argument(
        '--resume', action='store_true', help='resume from the latest checkpoint in the work_dir'
    )
    parser.add_argument('--amp', action='store_true', help='train in automatic mixed precision')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = launch.config_of(args)
    cfg.resume = args.resume
    if args.amp:
        launch.enable_amp(cfg)
    launch.train(cfg)


if __name__ == '__main__':
    with user_errors(), leaving_processes():
        main()
