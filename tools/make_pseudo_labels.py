"""Label the target's training images by what trained networks predict, where they are sure."""

import argparse
from pathlib import Path

from mmengine.config import Config

from mmseg_da.datasets.outputs import require_writable
from mmseg_da.engine import launch
from mmseg_da.engine.distributed import leaving_processes
from mmseg_da.engine.label_stage import SIZES, check_label_settings, labelling
from mmseg_da.engine.members import LOW_RESOLUTION, ensemble
from mmseg_da.errors import UserError, user_errors
from mmseg_da.models.ensemble import AVERAGES

EPILOG = """
Labels are OUT/labels, for dict(type='LoadPseudoLabels', folder='OUT/labels') in a target pipeline. A killed
run goes on where it stopped, with the same command. docs/methods/self_training.md says more.
"""
OPTIONS = dict(
    class_share=dict(keep=0.34, sure=0.9),
    class_balanced=dict(keep=0.15),
    confidence=dict(least=0.9),
)
"""Of each rule, with what they are where no flag says it."""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    launch.add_common_flags(parser)
    parser.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT', help='checkpoint files')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder to write')
    parser.add_argument(
        '--configs', nargs='+', help='the config of each checkpoint, in order; by default CONFIG'
    )
    parser.add_argument(
        '--rule', choices=list(OPTIONS), default='class_share', help='default: class_share'
    )
    parser.add_argument(
        '--keep',
        type=float,
        help='the share of each class that is kept (default: 0.34, of class_balanced 0.15)',
    )
    parser.add_argument(
        '--sure',
        type=float,
        help='of class_share: the confidence that is always enough (default: 0.9; 1 for none)',
    )
    parser.add_argument(
        '--least', type=float, help='of confidence: the least confidence (default: 0.9)'
    )
    parser.add_argument(
        '--size', choices=SIZES, default=SIZES[0], help='of the labels (default: as predicted)'
    )
    parser.add_argument(
        '--average', choices=AVERAGES, default=LOW_RESOLUTION, help=f'default: {LOW_RESOLUTION}'
    )
    return parser.parse_args()


def rule_of(args: argparse.Namespace) -> dict:
    """The rule that the flags say.

    Raises:
        UserError: A flag is of another rule.
    """
    usual, flags = OPTIONS[args.rule], ('keep', 'sure', 'least')
    given = {key: value for key in flags if (value := getattr(args, key)) is not None}
    foreign = [key for key in given if key not in usual]
    if foreign:
        takes = ', '.join(f'--{key}' for key in usual)
        raise UserError(f'--{foreign[0]}: --rule {args.rule} does not know it; it takes {takes}')
    return dict(type=args.rule) | usual | given


def models_of(cfg: Config, args: argparse.Namespace) -> list:
    """The model of each checkpoint.

    Raises:
        UserError: There are not as many configs as checkpoints, or one has no model.
    """
    configs = [cfg] * len(args.checkpoints)
    if args.configs is not None:
        if len(args.configs) != len(args.checkpoints):
            raise UserError(
                f'--configs names {len(args.configs)} configs for {len(args.checkpoints)} '
                'checkpoints: give one for each, in order'
            )
        configs = [launch.read_config(path, None) for path in args.configs]
    for each in configs:
        if each.get('model') is None:
            raise UserError(f'{each.filename}: `model` is missing')
    return [each.model for each in configs]


def main() -> None:
    args = parse_args()
    args.work_dir = str(args.out)
    for file in args.checkpoints:
        if '://' not in file and not Path(file).is_file():
            raise UserError(f'{file}: no such checkpoint file')
    require_writable(args.out, 'OUT')
    cfg = launch.config_of(args)
    settings = dict(
        members=args.checkpoints, rule=rule_of(args), size=args.size, average=args.average
    )
    check_label_settings(settings, 'flags')
    work = labelling(cfg, ensemble(models_of(cfg, args), settings), settings, args.out)
    if not work.run():
        print(f'{args.out}: ended before all was done; the same command goes on')


if __name__ == '__main__':
    with user_errors(), leaving_processes():
        main()
