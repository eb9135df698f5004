"""Test the mean of several checkpoints, with the data and the scores of one config."""

import argparse
from collections.abc import Sequence

from mmengine.config import ConfigDict

from mmseg_da.engine import launch
from mmseg_da.engine.distributed import leaving_processes
from mmseg_da.engine.test_flags import add_test_flags, apply_test_flags, require_files
from mmseg_da.errors import UserError, user_errors
from mmseg_da.models.ensemble import AVERAGES

EPILOG = """
Checkpoints may be of adaptors or of plain segmentors, and of different networks if --configs says so.
Each network sees the images of CONFIG's test pipeline, normalised as its own config says.
--cfg-options hold for CONFIG alone.
"""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    launch.add_common_flags(parser)
    parser.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT', help='checkpoint files')
    parser.add_argument(
        '--configs', nargs='+', help='the config of each checkpoint, in order; by default CONFIG'
    )
    parser.add_argument(
        '--weights', nargs='+', type=float, help='of each checkpoint; by default all are alike'
    )
    parser.add_argument(
        '--average',
        choices=AVERAGES,
        default=AVERAGES[0],
        help='what is averaged: up-sampled logits (ADVENT), their softmax, or the softmax of the '
        'logits as the head gives them, up-sampled (FDA)',
    )
    add_test_flags(parser)
    return parser.parse_args()


def networks(config: str, model: ConfigDict, args: argparse.Namespace) -> Sequence[ConfigDict]:
    """The model of each checkpoint."""
    if args.configs is None:
        return [model] * len(args.checkpoints)
    if len(args.configs) != len(args.checkpoints):
        raise UserError(
            f'--configs names {len(args.configs)} configs for {len(args.checkpoints)} checkpoints: '
            f'give one for each, in order, {config} again where it is that'
        )
    found = []
    for path in args.configs:
        cfg = launch.read_config(path, None)
        if cfg.get('model') is None:
            raise UserError(f'{path}: `model` is missing')
        cfg.model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))  # as mmengine does
        found.append(cfg.model)
    return found


def main() -> None:
    args = parse_args()
    cfg = launch.config_of(args)
    require_files(args, args.checkpoints)
    if cfg.get('model') is None:
        raise UserError(f'{args.config}: `model` is missing')
    cfg.load_from = None
    cfg.model = ConfigDict(
        type='SegmentorEnsemble',
        members=networks(args.config, cfg.model, args),
        checkpoints=args.checkpoints,
        weights=args.weights,
        average=args.average,
    )
    apply_test_flags(cfg, args)
    launch.test(cfg)


if __name__ == '__main__':
    with user_errors(), leaving_processes():
        main()
