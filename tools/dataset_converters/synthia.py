"""Write the train ids of SYNTHIA's labels beside them, and train.txt."""

import argparse

from mmseg_da.datasets.conversion import convert_synthia
from mmseg_da.errors import user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Convert the labels of SYNTHIA-RAND-CITYSCAPES to train ids'
    )
    parser.add_argument('synthia_path', help='folder with RGB/ and GT/LABELS/')
    parser.add_argument('--gt-dir', default='GT/LABELS', help='folder of the labels in it')
    parser.add_argument('-o', '--out-dir', help='write below this folder instead of synthia_path')
    parser.add_argument('--nproc', default=1, type=int, help='number of processes')
    parser.add_argument(
        '--val', default=0, type=int, help='frames, the last by name, for val.txt (default: 0)'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with user_errors():
        count = convert_synthia(args.synthia_path, args.gt_dir, args.out_dir, args.nproc, args.val)
    print(f'{count} labels are converted; lists: {args.out_dir or args.synthia_path}/*.txt')


if __name__ == '__main__':
    main()
