"""Give the images of a folder, or of a data set, the look of another domain."""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from mmseg_da.datasets.pictures import OUTPUT_SUFFIXES
from mmseg_da.engine import launch
from mmseg_da.engine.distributed import leaving_processes
from mmseg_da.engine.image_translation import ImageTranslation
from mmseg_da.engine.target_images import TargetImages
from mmseg_da.engine.trained_translators import fingerprint, load_translator
from mmseg_da.engine.translation import Targets, no_targets, translate_folder
from mmseg_da.engine.translation_output import Places
from mmseg_da.errors import UserError, user_errors
from mmseg_da.functional.fourier import SWAP_WINDOWS
from mmseg_da.models import FourierTranslator
from mmseg_da.models.translators.frozen import DIRECTIONS

EPILOG = """
Names and folders stay as they are. With --labels, OUT has the layout that images and labels have
below their common folder, so that data_root=OUT is all that a config needs. A killed run goes on
where it stopped, with the same command. With --fourier there is no CONFIG and no CHECKPOINT:
translate_dataset.py --fourier BETA --target-images FOLDER IN OUT. docs/translation.md says more.
"""


def count(text: str) -> int:
    """An integer of 1 or more, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is not 1 or more')
    return number


def natural(text: str) -> int:
    """An integer of 0 or more, for argparse."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f'{text} is not 0 or more')
    return number


def share(text: str) -> float:
    """A share of a side below a half, for argparse."""
    number = float(text)
    if not 0 <= number < 0.5:
        raise argparse.ArgumentTypeError(f'{text} is not in [0, 0.5)')
    return number


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    by_fourier = any(each.partition('=')[0] == '--fourier' for each in sys.argv[1:])
    if not by_fourier:
        launch.add_common_flags(parser, runs=False)
        parser.add_argument('checkpoint', help='checkpoint of the translation, or of the whole run')
        add_generator_flags(parser)
    add_fourier_flags(parser)
    parser.add_argument('source', type=Path, metavar='IN', help='folder of images')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder to write')
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
    parser.add_argument('--device', help='default: cuda if there is a GPU, else cpu')
    parser.add_argument(
        '--workers', type=count, default=2, help='threads that read and write (default: 2)'
    )
    parser.add_argument(
        '--force', action='store_true', help='replace images of other settings in OUT'
    )
    return parser.parse_args()


def add_generator_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of a trained generator."""
    parser.add_argument(
        '--direction', choices=DIRECTIONS, help="default: the config's, else source_to_target"
    )
    parser.add_argument(
        '--tile', type=count, nargs=2, metavar=('H', 'W'), help='translate large images in tiles'
    )
    parser.add_argument(
        '--overlap', type=count, help='pixels that tiles share (default: a quarter of a side)'
    )


def add_fourier_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of FDA, which needs no generator."""
    group = parser.add_argument_group('without a generator, CONFIG and CHECKPOINT')
    group.add_argument(
        '--fourier',
        type=share,
        metavar='BETA',
        help='give images the low frequencies of target images (FDA), up to this share of a side',
    )
    group.add_argument(
        '--target-images', type=Path, metavar='FOLDER', help='folder of the target images'
    )
    group.add_argument('--window', choices=SWAP_WINDOWS, help='of frequencies (default: symmetric)')
    group.add_argument(
        '--seed', type=natural, help='of which target image each image gets (default: 0)'
    )


def require_together(args: argparse.Namespace) -> None:
    """Refuse flags without the one that they belong to."""
    if args.copy_labels and args.labels is None:
        raise UserError('--copy-labels: give --labels FOLDER, too')
    if args.fourier is not None and args.target_images is None:
        raise UserError('--fourier: give --target-images FOLDER, too')
    for name in ('target_images', 'window', 'seed'):
        if args.fourier is None and getattr(args, name) is not None:
            raise UserError(f'--{name.replace("_", "-")}: give --fourier BETA, too')


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


Made = tuple[ImageTranslation, dict[str, Any], Targets]


def by_generator(args: argparse.Namespace, device: torch.device) -> Made:
    """Translation by a trained generator, and what its outputs depend on."""
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
    return translation, settings, no_targets


def by_fourier(args: argparse.Namespace, device: torch.device) -> Made:
    """Translation by the low frequencies of target images, and what its outputs depend on."""
    targets = TargetImages(args.target_images, args.seed or 0)
    targets.require_apart(args.out)
    translator = FourierTranslator(args.fourier, args.window or SWAP_WINDOWS[0])
    settings = dict(fourier=translator.beta, window=translator.window) | targets.settings()
    return ImageTranslation(translator, device), settings, targets


def main() -> None:
    args = parse_args()
    require_together(args)
    places = Places(args.source, args.out, args.labels)
    device = device_of(args.device)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    make = by_generator if args.fourier is None else by_fourier
    translation, settings, targets = make(args, device)
    for line in translate_folder(
        translation,
        places,
        settings,
        suffix=args.suffix,
        copy_labels=args.copy_labels,
        batch_size=args.batch_size,
        workers=args.workers,
        force=args.force,
        targets=targets,
    ):
        print(line)


if __name__ == '__main__':
    with user_errors(), leaving_processes():
        main()
