"""Draw two toy domains, in the layouts of GTA5 and Cityscapes, to try domain adaptation on a CPU."""

import argparse
import os
from pathlib import Path

from mmseg_da.datasets.outputs import require_writable
from mmseg_da.errors import user_errors
from mmseg_da.testing.toy_domains import make_toy_domains


def parse_args() -> argparse.Namespace:
    default = Path(os.environ.get('MMSEG_DA_DATA', 'data')) / 'toy'
    parser = argparse.ArgumentParser(
        description='Draw two toy domains of street scenes, in the layouts of GTA5 and Cityscapes'
    )
    parser.add_argument(
        'out', nargs='?', default=default, type=Path, help='default: $MMSEG_DA_DATA/toy or data/toy'
    )
    parser.add_argument('--train', default=200, type=_count, help='training images per domain')
    parser.add_argument('--val', default=60, type=_count, help='validation images of the target')
    parser.add_argument('--seed', default=0, type=_seed)
    return parser.parse_args()


def _count(text: str) -> int:
    return _at_least(1, text)


def _seed(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f'{text!r} is no integer of {least} or more')
    return int(text)


def main() -> None:
    args = parse_args()
    with user_errors():
        require_writable(args.out.absolute().parent, 'out')
        drawn = make_toy_domains(args.out, args.train, args.val, args.seed, show_progress=True)
    print(f'{args.out} ' + ('is ready' if drawn else 'is already there with these settings'))


if __name__ == '__main__':
    main()
