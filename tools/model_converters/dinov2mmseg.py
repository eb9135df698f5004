"""Write the published weights of a DINOv2 (ViT-S, -B or -L, patches of 14) for our backbone."""

import argparse
from pathlib import Path

from mmseg_da.engine.importing_dinov2 import import_dinov2
from mmseg_da.errors import user_errors

EPILOG = """
DST is for init_cfg=dict(type='Pretrained', checkpoint='DST') of a DINOv2. Its sizes are read from the
weights and printed. Models with register tokens are not read.
"""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    parser.add_argument(
        'src', metavar='SRC', help='file or address, e.g. dinov2_vitl14_pretrain.pth'
    )
    parser.add_argument('dst', metavar='DST', type=Path, help='file to write')
    parser.add_argument('--force', action='store_true', help='replace DST')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    for line in import_dinov2(args.src, args.dst, args.force):
        print(line)


if __name__ == '__main__':
    with user_errors():
        main()
