"""Write the train ids of the cross-city set's labels beside them, and a list per city."""

import argparse

from mmseg_da.datasets.conversion import convert_cross_city
from mmseg_da.errors import user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Convert the labels of the cross-city set (Rio, Rome, Taipei, Tokyo) to train ids'
    )
    parser.add_argument('crosscity_path', help='folder with a folder per city')
    parser.add_argument('--gt-dir', default='Labels', help='folder of the labels in each')
    parser.add_argument('-o', '--out-dir', help='write below this folder, not crosscity_path')
    parser.add_argument('--nproc', default=1, type=int, help='number of processes')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with user_errors():
        count = convert_cross_city(args.crosscity_path, args.gt_dir, args.out_dir, args.nproc)
    print(f'{count} labels are converted; lists: {args.out_dir or args.crosscity_path}/*.txt')


if __name__ == '__main__':
    main()
