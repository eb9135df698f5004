"""Train a segmentor, with or without domain adaptation: mmseg's ``tools/train.py``, flag for flag."""

import argparse

from mmseg_da.engine import launch
from mmseg_da.errors import user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Train a segmentor')
    parser.add_argument('config', help='train config file path')
    parser.add_argument('--work-dir', help='the dir to save logs and models')
    parser.add_argument(
        '--resume', action='store_true', help='resume from the latest checkpoint in the work_dir'
    )
    parser.add_argument('--amp', action='store_true', help='train in automatic mixed precision')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=launch.ConfigOptions,
        help='override settings of the config: key=value, key="[a,b]" or key=a,b for lists',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    launch.set_local_rank(args.local_rank)
    cfg = launch.load_config(args.config, args.cfg_options, args.work_dir)
    cfg.launcher = args.launcher
    cfg.resume = args.resume
    if args.amp:
        launch.enable_amp(cfg)
    launch.train(cfg)


if __name__ == '__main__':
    with user_errors():
        main()
