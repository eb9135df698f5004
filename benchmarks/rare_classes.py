"""Speed of rare-class sampling: images without it, with it, and read anew for each crop.

    python benchmarks/rare_classes.py
    python benchmarks/rare_classes.py --images 8 --pairs 10 --crop 1024

Files are made up, as large as those of GTA5, and deleted at the end: bands of frequent classes, and
in each image one small patch of a rare one. The ways take turns in one process; the figures are
medians of blocks. "Read anew" draws the same images, but runs the whole pipeline for each crop, as
the released code of DAFormer does.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from io import StringIO
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
from bare_loader import CITYSCAPES_SIZE, GTA_SIZE
from measure import environment, environment_text, threads
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from mmseg_da.datasets import Draw, SourceTargetDataset, SourceTargetSampler
from mmseg_da.datasets.source_target import seeded
from mmseg_da.errors import UserError, user_errors

BANDS = ('sky', 'building', 'road')  # of the 19 classes, by number
FREQUENT = dict(sky=10, building=2, road=0)
RARE = (12, 16, 17, 18)  # rider, train, motorcycle, bicycle
PATCH = 80  # pixels a side, in files of GTA5's size
SETTINGS = {512: dict(scale=(1280, 720), ratio=0.5), 1024: dict(scale=(2560, 1440), ratio=2.0)}


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measure rare-class sampling')
    parser.add_argument('--images', type=int, default=16, help='source images')
    parser.add_argument('--pairs', type=int, default=8, help='pairs of images in a block')
    parser.add_argument('--blocks', type=int, default=5)
    parser.add_argument('--crop', nargs='+', type=int, default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument('--shrink', type=int, default=1, help='files smaller by this factor')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(args)


def make_files(root: Path, num: int, shrink: int) -> None:
    """Write source images with labels, and two target images."""
    rng = np.random.default_rng(0)
    height, width = (side // shrink for side in GTA_SIZE)
    side = PATCH // shrink
    for number in range(num):
        label = np.zeros((height, width), np.uint8)
        for band, name in enumerate(BANDS):
            label[band * height // 3 :] = FREQUENT[name]
        top, left = rng.integers(height - side), rng.integers(width - side)
        label[top : top + side, left : left + side] = RARE[number % len(RARE)]
        image = np.repeat(label[..., None] * 10, 3, axis=2)
        image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255)
        write(root / f'source/images/{number:04d}.png', image)
        write(root / f'source/labels/{number:04d}.png', label)
    for number in range(2):
        size = tuple(each // shrink for each in CITYSCAPES_SIZE)
        write(root / f'target/images/{number}.png', rng.integers(0, 255, (*size, 3)))


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels.astype(np.uint8))


def make_dataset(root: Path, crop: int, shrink: int, rare: bool) -> SourceTargetDataset:
    """Source and target as DAFormer and HRDA prepare them, with or without rare classes."""
    size = (crop // shrink, crop // shrink)
    scale = tuple(each // shrink for each in SETTINGS[crop]['scale'])

    def domain(name: str, ratio: float, *loading: str) -> dict:
        pipeline = [
            *(dict(type=each) for each in loading),
            dict(type='Resize', scale=scale, keep_ratio=True),
            dict(type='RandomCrop', crop_size=size, cat_max_ratio=ratio),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]
        prefix = dict(img_path='images')
        prefix |= dict(seg_map_path='labels') if len(loading) > 1 else {}
        return dict(
            type='CityscapesDataset',
            data_root=str(root / name),
            data_prefix=prefix,
            img_suffix='.png',
            seg_map_suffix='.png',
            pipeline=pipeline,
        )

    options = dict(min_pixels=3000 // shrink**2, min_crop_ratio=SETTINGS[crop]['ratio'])
    return SourceTargetDataset(
        domain('source', 0.75, 'LoadImageFromFile', 'LoadAnnotations'),
        domain('target', 1.0, 'LoadImageFromFile'),
        rare_classes=options if rare else None,
    )


def read_anew(dataset: SourceTargetDataset, draw: Draw) -> int:
    """One pair, the source with its whole pipeline for each crop; gives the number of crops."""
    ((crop,),) = dataset.rare_classes.crops
    with seeded(draw.seed):
        for taken in count(1):
            labels = dataset.source_sample(draw.source)['data_samples'].gt_sem_seg.data
            if taken > crop.tries or (labels == draw.rare_class).sum() > crop.least:
                break
        dataset.target_sample(draw.target)
    return taken


def measure(root: Path, crop: int, args: argparse.Namespace) -> dict[str, float]:
    """One row: medians of milliseconds a pair, and the mean number of crops."""
    rare = make_dataset(root, crop, args.shrink, rare=True)
    start = time.perf_counter()
    with redirect_stderr(StringIO()):  # the bar
        ours = iter(SourceTargetSampler(rare, seed=args.seed))
    first = next(ours)  # which counts, the first time
    counting = time.perf_counter() - start
    plain = make_dataset(root, crop, args.shrink, rare=False)
    without = iter(SourceTargetSampler(plain, seed=args.seed))
    rare[first], plain[next(without)]
    found: dict[str, list[float]] = dict(plain=[], rare=[], anew=[])
    crops: list[int] = []
    for _ in range(args.blocks):
        draws = list(islice(ours, args.pairs))
        ways = dict(
            plain=lambda: [plain[draw] for draw in islice(without, args.pairs)],
            rare=lambda draws=draws: [rare[draw] for draw in draws],
            anew=lambda draws=draws: crops.extend(read_anew(rare, draw) for draw in draws),
        )
        for name, way in ways.items():
            found[name].append(milliseconds(way) / args.pairs)
    medians = {name: statistics.median(times) for name, times in found.items()}
    return dict(crop=crop, counting=counting, crops=statistics.mean(crops), **medians)


def milliseconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return 1000 * (time.perf_counter() - start)


def table(rows: Sequence[dict[str, float]]) -> str:
    """The rows as Markdown."""
    lines = [
        '| crop | pairs per second, without | rare classes | read anew | crops taken, mean |',
        '|---:|---:|---:|---:|---:|',
    ]
    lines += [
        f'| {row["crop"]} | {1000 / row["plain"]:.1f} | {1000 / row["rare"]:.1f} | '
        f'{1000 / row["anew"]:.1f} | {row["crops"]:.1f} |'
        for row in rows
    ]
    return '\n'.join(lines) + '\n'


def rows_of(args: argparse.Namespace) -> Iterator[dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix='mmseg-da-rare-') as folder:
        make_files(Path(folder), args.images, args.shrink)
        for crop in args.crop:
            yield measure(Path(folder), crop, args)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if min(args.images, args.pairs, args.blocks, args.shrink) < 1:
        raise UserError('--images, --pairs, --blocks and --shrink must be 1 or more')
    init_default_scope('mmseg')
    MMLogger.get_current_instance().setLevel('WARNING')
    cv2.setNumThreads(0)
    with threads(1):
        facts = environment(args.seed)
        rows = list(rows_of(args))
    first = rows[0]
    print(
        f'{environment_text(facts)}\n{args.images} source images of '
        f'{"x".join(str(side // args.shrink) for side in GTA_SIZE)}, one process, medians of '
        f'{args.blocks} blocks of {args.pairs} pairs; counting the labels took '
        f'{1000 * first["counting"] / args.images:.0f} ms each.\n\n{table(rows)}'
    )


if __name__ == '__main__':
    with user_errors():
        main()
