"""Speed of reading pairs, against OpenCV and Pillow alone, and seconds until the first batch.

    python benchmarks/loader.py
    python benchmarks/loader.py --workers 0 --recipes crop --pairs 40

The loader is what the train tool builds for ``configs/_base_/datasets/gta2cityscapes.py``. The bare
one is torch's ``DataLoader`` around a dozen lines that read, resize, crop, flip and pack the same
files, with as many workers. They alternate (bare, ours, ours, bare). Files are made up, as large as
the real ones, and deleted at the end.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import torch
from adaptation import DOCS, ROOT, write_docs
from bare_loader import (
    CITYSCAPES_SIZE,
    GTA_SIZE,
    RECIPES,
    Recipe,
    bare_loader,
    make_files,
)
from measure import environment, environment_text, paired, summary, threads, write_json
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import DataLoader

from mmseg_da.datasets.presence import check_data
from mmseg_da.engine.runner import DomainAdaptationRunner
from mmseg_da.errors import UserError, user_errors

DATA_CONFIG = ROOT / 'configs' / '_base_' / 'datasets' / 'gta2cityscapes.py'
VARIANTS = 6  # different images


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measure the data loader')
    parser.add_argument('--recipes', nargs='+', default=list(RECIPES), choices=RECIPES)
    parser.add_argument('--workers', nargs='+', type=int, default=[0, 2])
    parser.add_argument('--pairs', type=int, default=12, help='pairs of images a run')
    parser.add_argument('--blocks', type=int, default=5, help='of bare, ours, ours, bare')
    parser.add_argument('--shrink', type=int, default=1, help='files smaller by this factor')
    parser.add_argument(
        '--files',
        nargs=2,
        type=int,
        default=[25000, 3000],
        help='files of the start-up: 0 0 for none',
    )
    parser.add_argument('--start-workers', type=int, default=4, help='workers of the start-up')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--json', metavar='OUT', help='write the figures to this file')
    parser.add_argument('--docs', action='store_true', help='write the tables to the docs')
    return parser.parse_args(args)


@contextmanager
def data_folder(parent: str | None = None) -> Iterator[Path]:
    """A temporary folder that configs read as ``MMSEG_DA_DATA``."""
    before = os.environ.get('MMSEG_DA_DATA')
    with tempfile.TemporaryDirectory(prefix='mmseg-da-loader-', dir=parent) as folder:
        os.environ['MMSEG_DA_DATA'] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ['MMSEG_DA_DATA']
            if before is not None:
                os.environ['MMSEG_DA_DATA'] = before


def loader_config(workers: int, recipe: Recipe | None = None) -> Config:
    """The data config, with the pipelines of a recipe if there is one."""
    cfg = Config.fromfile(DATA_CONFIG)
    cfg.train_dataloader.update(num_workers=workers, persistent_workers=False)
    if recipe is not None:
        for domain in ('source', 'target'):
            cfg.train_dataloader.dataset[domain].pipeline = recipe.pipeline(domain)
    return cfg


def read(loader: DataLoader, pairs: int) -> float:
    """Seconds for a number of pairs, counted from the first batch: workers have started by then."""
    batches = iter(loader)
    next(batches)
    start = time.perf_counter()
    for _ in range(pairs):
        next(batches)
    return time.perf_counter() - start


def compare(root: Path, name: str, workers: int, args: argparse.Namespace, bar: Progress) -> dict:
    """One row: times of both loaders on the same draws."""
    recipe = RECIPES[name]
    ours = DomainAdaptationRunner.build_dataloader(
        loader_config(workers, recipe).train_dataloader, seed=args.seed
    )
    positions = range(args.pairs + 1 + 4 * max(workers, 1))  # and some that workers read ahead
    draws = [ours.sampler.draw(position)[:2] for position in positions]
    bare = bare_loader(root, recipe, draws, workers)
    check_alike(ours, bare, recipe)
    task = bar.add_task(f'{name}, {workers} workers', total=args.blocks)
    blocks = []
    for block in paired(
        lambda: read(bare, args.pairs),
        lambda: read(ours, args.pairs),
        args.blocks,
        clock=lambda task: (task(),) * 2,
    ):
        blocks.append(block)
        bar.advance(task)
    found = summary(blocks)
    return dict(
        recipe=name,
        workers=workers,
        ratio=found['ratio'],
        ratio_low=found['ratio_low'],
        ratio_high=found['ratio_high'],
        ratio_of_fastest=found['ratio_of_fastest'],
        bare_pairs_per_second=args.pairs / (found['plain_ms'] / 1000),
        ours_pairs_per_second=args.pairs / (found['ours_ms'] / 1000),
    )


def check_alike(ours: DataLoader, bare: DataLoader, recipe: Recipe) -> None:
    """See that both loaders give the same: pixel by pixel, or in shape where they crop at random.

    Raises:
        UserError: They do not, so that their times say nothing.
    """
    batch, (expected,) = next(iter(ours)), next(iter(bare))
    found = (
        batch['source']['inputs'][0],
        batch['source']['data_samples'][0].gt_sem_seg.data[0],
        batch['target']['inputs'][0],
    )
    for mine, theirs in zip(found, expected, strict=True):
        alike = (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        if not alike or not (recipe.cropped or torch.equal(mine, theirs)):
            raise UserError('the bare loader reads something else than ours; compare nothing')


def start_up(root: Path, workers: int, seed: int) -> dict[str, float]:
    """Seconds until the first batch, by part, as ``tools/train.py`` starts."""
    cfg = loader_config(workers)
    marks = [time.perf_counter()]
    check_data(cfg, ['train_dataloader'])
    marks.append(time.perf_counter())
    loader = DomainAdaptationRunner.build_dataloader(cfg.train_dataloader, seed=seed)
    marks.append(time.perf_counter())
    batches = iter(loader)
    marks.append(time.perf_counter())
    next(batches)
    marks.append(time.perf_counter())
    parts = [after - before for before, after in itertools.pairwise(marks)]
    names = ('check_seconds', 'list_seconds', 'workers_seconds', 'batch_seconds')
    sizes = dict(source_files=len(loader.dataset.source), target_files=len(loader.dataset.target))
    return dict(zip(names, parts, strict=True)) | dict(total_seconds=marks[-1] - marks[0]) | sizes


def table(rows: Sequence[dict]) -> str:
    """The comparison as Markdown."""
    lines = [
        '| recipe | workers | pairs per second, bare | ours | time, ratio (quartiles) |',
        '|---|---:|---:|---:|---:|',
    ]
    lines += [
        f'| {row["recipe"]} | {row["workers"]} | {row["bare_pairs_per_second"]:.2f} | '
        f'{row["ours_pairs_per_second"]:.2f} | {row["ratio"]:.3f} ({row["ratio_low"]:.3f} to '
        f'{row["ratio_high"]:.3f}) |'
        for row in rows
    ]
    return '\n'.join(lines) + '\n'


def start_table(start: dict, workers: int) -> str:
    """The start-up as Markdown."""
    return (
        f'Start-up with {start["source_files"]} + {start["target_files"]} files, {workers} workers: '
        f'{start["total_seconds"]:.2f} s until the first batch, of which '
        f'{start["check_seconds"]:.2f} s to see that the data is there, {start["list_seconds"]:.2f} s '
        f'to list it, {start["workers_seconds"]:.2f} s to start the workers and '
        f'{start["batch_seconds"]:.2f} s to read.\n'
    )


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if min(args.pairs, args.blocks, args.shrink) < 1 or min(args.files) < 0:
        raise UserError('--pairs, --blocks and --shrink must be 1 or more, --files 0 or more')
    init_default_scope('mmseg')
    cv2.setNumThreads(0)  # as mmengine's runner sets it, for both
    rows, start = [], None
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), 'left:')
    console = Console(stderr=True)
    with threads(1), Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        facts = environment(args.seed)
        sizes = tuple(
            (height // args.shrink, width // args.shrink)
            for height, width in (GTA_SIZE, CITYSCAPES_SIZE)
        )
        with data_folder() as root:
            make_files(root, (VARIANTS, VARIANTS), sizes, VARIANTS)
            for name, workers in itertools.product(args.recipes, args.workers):
                rows.append(compare(root, name, workers, args, bar))
        if min(args.files):
            with data_folder() as root:
                task = bar.add_task('files of the start-up', total=sum(args.files))
                tiny = ((18, 32), (16, 32))
                make_files(root, tuple(args.files), tiny, 1, done=lambda: bar.advance(task))
                start = start_up(root, args.start_workers, args.seed)
    text = (
        f'{environment_text(facts)}\nFiles of {"x".join(map(str, sizes[0]))} and '
        f'{"x".join(map(str, sizes[1]))}, {args.blocks} blocks of bare, ours, ours, bare with '
        f'{args.pairs} pairs each; pairs per second are of the fastest block.\n\n{table(rows)}'
    )
    if start is not None:
        text += f'\n{start_table(start, args.start_workers)}'
    print(text)
    if args.json:
        write_json(dict(environment=facts, rows=rows, start_up=start), args.json)
    if args.docs:
        write_docs(text, DOCS, 'loader')


if __name__ == '__main__':
    with user_errors():
        main()
