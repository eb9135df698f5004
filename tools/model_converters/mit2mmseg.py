"""Write the weights of an original Mix Transformer (SegFormer's MiT) for mmseg's."""

import argparse
from pathlib import Path

from mmseg_da.engine.importing import import_mit
from mmseg_da.errors import user_errors

EPILOG = """
DST is for init_cfg=dict(type='Pretrained', checkpoint='DST') of a MixVisionTransformer. Which
variant it is, B0 to B5, is read from the weights.
"""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    parser.add_argument('src', metavar='SRC', help='file or address, e.g. mit_b5.pth')
    parser.add_argument('dst', metavar='DST', type=Path, help='file to write')
    parser.add_argument('--force', action='store_true', help='replace DST')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    for line in import_mit(args.src, args.dst, args.force):
        print(line)


if __name__ == '__main__':
    with user_errors():
        main()
