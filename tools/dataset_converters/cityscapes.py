"""Write the train ids of Cityscapes' labels beside them, and train.txt, val.txt, test.txt."""

import argparse

from mmseg_da.datasets.conversion import convert_cityscapes
from mmseg_da.errors import user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Convert the labels of Cityscapes to train ids')
    parser.add_argument('cityscapes_path', help='folder with leftImg8bit/ and gtFine/')
    parser.add_argument('--gt-dir', default='gtFine', help='folder of the labels in it')
    parser.add_argument('-o', '--out-dir', help='write below this folder, not cityscapes_path')
    parser.add_argument('--nproc', default=1, type=int, help='number of processes')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with user_errors():
        count = convert_cityscapes(args.cityscapes_path, args.gt_dir, args.out_dir, args.nproc)
    print(f'{count} labels are converted; lists: {args.out_dir or args.cityscapes_path}/*.txt')


if __name__ == '__main__':
    main()
