"""Write a config that adapts a segmentor to images of one's own, from folders and class names."""

import argparse
from pathlib import Path

from mmseg_da.datasets.outputs import require_writable
from mmseg_da.datasets.pictures import find_pictures
from mmseg_da.errors import UserError, user_errors
from mmseg_da.new_config import METHODS, Choices, Folder, class_names, look_at, write_config
from mmseg_da.visualization import require_absent


def parse_args() -> argparse.Namespace:
    methods = '\n'.join(f'  {name:12s} {text}' for name, text in METHODS.items())
    parser = argparse.ArgumentParser(
        description='Write a config for images of your own',
        epilog=f'methods:\n{methods}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('out', type=Path, help='the config to write, such as my_config.py')
    folders = dict(type=Path, metavar='FOLDER')
    parser.add_argument(
        '--source', nargs=2, required=True, help='images, and labels of the same names', **folders
    )
    parser.add_argument('--target', required=True, help='images without labels', **folders)
    parser.add_argument(
        '--target-val', nargs=2, help='labelled images of the target to score on', **folders
    )
    parser.add_argument(
        '--classes',
        required=True,
        help='names in the order of their numbers in the labels: road,car,sky; or @FILE, one a line',
    )
    parser.add_argument('--method', choices=METHODS, default='dacs', help='default: dacs')
    parser.add_argument(
        '--segmentor',
        type=Path,
        metavar='CONFIG',
        help='an mmseg config; default: PSPNet, ResNet-50',
    )
    parser.add_argument('--checkpoint', type=Path, help='weights to start from')
    parser.add_argument('--iters', type=int, default=40000, help='default: 40000')
    parser.add_argument('--batch', type=int, default=2, help='images of each domain; default: 2')
    parser.add_argument('--crop', type=_sides, metavar='HxW', help='default: what fits, up to 512')
    parser.add_argument('--img-suffix', help='end of the names of images; default: found')
    parser.add_argument('--seg-map-suffix', help='what labels have in its place; default: found')
    parser.add_argument(
        '--reduce-zero-label', action='store_true', help='labels count from 1, and 0 is no class'
    )
    parser.add_argument(
        '--images', type=int, default=500, help='images to open in each folder; default: 500'
    )
    parser.add_argument('--nproc', type=int, default=2, help='processes that open them; default: 2')
    parser.add_argument('--force', action='store_true', help='replace OUT')
    return parser.parse_args()


def _sides(text: str) -> tuple[int, int]:
    sides = text.lower().split('x')
    if len(sides) != 2 or not all(side.isdigit() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f'{text!r} is not HEIGHTxWIDTH, such as 512x512')
    return int(sides[0]), int(sides[1])


def _folder(args: argparse.Namespace, classes: tuple[str, ...], folders: list[Path]) -> Folder:
    labels = folders[1] if len(folders) > 1 else None
    return look_at(
        folders[0],
        labels,
        classes,
        most=args.images,
        nproc=args.nproc,
        suffixes=_ends(args, folders[0]),
        zero_is_ignored=args.reduce_zero_label,
    )


def _ends(args: argparse.Namespace, images: Path) -> tuple[str | None, str | None]:
    """The ends that were given, which are the source's: the target's names may be others."""
    given = args.img_suffix
    if given is None or images == args.source[0] or not images.is_dir():
        return given, args.seg_map_suffix
    has = any(str(name).endswith(given) for name in find_pictures(images))
    return (given, args.seg_map_suffix) if has else (None, None)


def _told(what: str, folder: Folder) -> str:
    ends = f'*{folder.img_suffix}'
    ends += f' with *{folder.seg_map_suffix}' if folder.labels else ''
    return f'{what}: {folder.count} images ({ends}), {folder.looked_at} looked at'


def _require_sane(args: argparse.Namespace) -> None:
    for name in ('iters', 'batch', 'images', 'nproc'):
        if getattr(args, name) < 1:
            raise UserError(f'--{name} must be 1 or more')
    if args.out.suffix != '.py':
        raise UserError(f'{args.out}: a config is a Python file; give it the end .py')
    require_absent(args.out, args.force)
    require_writable(args.out.absolute().parent, 'OUT')


def main() -> None:
    args = parse_args()
    _require_sane(args)
    classes = class_names(args.classes)
    source = _folder(args, classes, args.source)
    target = _folder(args, classes, [args.target])
    val = args.target_val and _folder(args, classes, args.target_val)
    choices = Choices(
        classes=classes,
        method=args.method,
        segmentor=args.segmentor,
        checkpoint=args.checkpoint,
        iters=args.iters,
        batch=args.batch,
        crop=args.crop,
        zero_is_ignored=args.reduce_zero_label,
    )
    write_config(args.out, source, target, val, choices)
    print(_told('source', source))
    for name, share in zip(classes, source.shares, strict=True):
        print(f'  {name}: {share:.2%} of the labelled pixels{"" if share else " - NONE"}')
    print(_told('target', target))
    if val:
        print(_told('validation', val))
    print(f'Wrote {args.out}. Look at it before a long training: python tools/doctor.py {args.out}')
    print(f'Train it: python tools/train.py {args.out}')


if __name__ == '__main__':
    with user_errors():
        main()
