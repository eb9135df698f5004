"""Test a segmentor: mmseg's ``tools/test.py``, flag for flag."""

import argparse

from mmseg_da.engine import launch
from mmseg_da.engine.distributed import leaving_processes
from mmseg_da.engine.test_flags import add_test_flags, apply_test_flags, require_files
from mmseg_da.errors import user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Test (and evaluate) a segmentor')
    launch.add_common_flags(parser)
    parser.add_argument('checkpoint', help='checkpoint file')
    add_test_flags(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = launch.config_of(args)
    require_files(args, [args.checkpoint])
    cfg.load_from = args.checkpoint
    apply_test_flags(cfg, args)
    launch.test(cfg)


if __name__ == '__main__':
    with user_errors(), leaving_processes():
        main()
