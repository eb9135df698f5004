"""Give the images of a folder, or of a data set, the look of another domain."""

import argparse
from pathlib import Path

import torch

from mmseg_da.datasets.pictures import OUTPUT_SUFFIXES
from mmseg_da.engine import launch
from mmseg_da.engine.image_translation import ImageTranslation
from mmseg_da.engine.trained_translators import fingerprint, load_translator
from mmseg_da.engine.translation import translate_folder
from mmseg_da.engine.translation_output import Places
from mmseg_da.errors import UserError, user_errors
from mmseg_da.models.translators.frozen import DIRECTIONS

EPILOG = """
Names and folders stay as they are. With --labels, OUT has the layout that images and labels have
below their common folder, so that data_root=OUT is all that a config needs. A killed run goes on
where it stopped, with the same command. docs/translation.md says more.
"""


def count(text: str) -> int:
    """An integer of 1 or more, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is not 1 or more')
    return number


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    launch.add_common_flags(parser, runs=False)
    parser.add_argument('checkpoint', help='checkpoint of the translation, or of the whole run')
    parser.add_argument('source', type=Path, metavar='IN', help='folder of images')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder to write')
    parser.add_argument(
        '--direction', choices=DIRECTIONS, help="default: the config's, else source_to_target"
    )
    parser.add_argument(
        '--labels', type=Path, metavar='FOLDER', help='folder of the labels, linked into OUT'
    )
    parser.add_argument('--copy-labels', action='store_true', help='copy instead of linking')
    parser.add_argument(
        '--suffix',
        choices=OUTPUT_SUFFIXES,
        help='of all outputs (default: .png and .jpg stay, others become .png)',
    )
    parser.add_argument(
        '--batch-size', type=count, default=1, help='images of one size at once (default: 1)'
    )
    parser.add_argument(
        '--tile', type=count, nargs=2, metavar=('H', 'W'), help='translate large images in tiles'
    )
    parser.add_argument(
        '--overlap', type=count, help='pixels that tiles share (default: a quarter of a side)'
    )
    parser.add_argument('--device', help='default: cuda if there is a GPU, else cpu')
    parser.add_argument(
        '--workers', type=count, default=2, help='threads that read and write (default: 2)'
    )
    parser.add_argument(
        '--force', action='store_true', help='replace images of other settings in OUT'
    )
    return parser.parse_args()


def device_of(name: str | None) -> torch.device:
    """The device, if this machine has it."""
    name = name or ('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().partition('\n')[0]
        raise UserError(f'--device {name}: cannot be used here ({reason})') from error
    return device


def main() -> None:
    args = parse_args()
    if args.copy_labels and args.labels is None:
        raise UserError('--copy-labels: give --labels FOLDER, too')
    places = Places(args.source, args.out, args.labels)
    device = device_of(args.device)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    cfg = launch.read_config(args.config, args.cfg_options)
    translator, direction = load_translator(cfg, args.checkpoint, args.direction)
    tile = tuple(args.tile) if args.tile else None
    translation = ImageTranslation(translator, device, tile, args.overlap)
    settings = dict(
        weights=fingerprint(translator),
        direction=direction,
        scale=translator.scale,
        tile=args.tile,
        overlap=translation.overlap,
    )
    for line in translate_folder(
        translation,
        places,
        settings,
        suffix=args.suffix,
        copy_labels=args.copy_labels,
        batch_size=args.batch_size,
        workers=args.workers,
        force=args.force,
    ):
        print(line)


if __name__ == '__main__':
    with user_errors():
        main()
