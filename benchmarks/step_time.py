"""Time and memory of one training iteration, against the same iteration in plain torch.

    python benchmarks/step_time.py
    python benchmarks/step_time.py --methods adaptsegnet_multi --segmentors deeplabv2_r101 \
        --size 90x160 --iterations 5

Both sides start from the same weights, see the same batches and must agree on the weights they
reach. Their iterations alternate in one process (plain, ours, ours, plain), so that other work on
the machine meets both; the figure is the median of the ratios. Memory is the peak of live tensor
bytes of one iteration. The plain iterations (``benchmarks/literal``) are those that the tests compare
with number by number.
"""

import argparse
import copy
import itertools
import re
from collections.abc import Sequence

import torch
from adaptation import DOCS, write_docs
from iterations import Pair, build_pair, rows
from measure import (
    environment,
    environment_text,
    keep_freed_memory,
    paired,
    peak_bytes,
    summary,
    threads,
    write_json,
)
from methods import METHODS
from mmengine.registry import init_default_scope
from networks import DEFAULT_SEGMENTORS, SEGMENTORS
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmseg_da.errors import UserError, user_errors
from mmseg_da.testing import toy_batch

WARM_UP = 2  # blocks: the first iterations allocate and make the optimizers' state
CHECK_SIZE, MAX_GAP = (64, 64), 1e-9  # of one iteration in double precision


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measure one training iteration')
    parser.add_argument('--methods', nargs='+', default=list(METHODS), choices=METHODS)
    parser.add_argument(
        '--segmentors', nargs='+', default=list(DEFAULT_SEGMENTORS), choices=SEGMENTORS
    )
    parser.add_argument('--size', default='128x256', help='HEIGHTxWIDTH of all images')
    parser.add_argument('--batch', type=int, default=2, help='images of each domain')
    parser.add_argument('--iterations', type=int, default=60, help='of each side')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--no-paper-sizes', action='store_true', help='compute no memory for them')
    parser.add_argument('--json', metavar='OUT', help='write the figures to this file')
    parser.add_argument(
        '--docs', nargs='?', const='step_time', help='write the table to this section of the docs'
    )
    return parser.parse_args(args)


def size_of(text: str) -> tuple[int, int]:
    """The height and width in ``HEIGHTxWIDTH``."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if not match or min(int(each) for each in match.groups()) < 32:
        raise UserError(f'--size {text}: give HEIGHTxWIDTH of 32 pixels or more, such as 128x256')
    return int(match[1]), int(match[2])


def require_fitting(chosen: Sequence[tuple[str, str | None]], args: argparse.Namespace) -> None:
    """Refuse sizes and batches that a chosen row cannot take, before anything runs."""
    sides = size_of(args.size)
    for method, segmentor in chosen:
        divisor = METHODS[method].divisor
        if any(side % divisor for side in sides):
            raise UserError(f'--size {args.size}: {method} needs multiples of {divisor} pixels')
        if args.batch < 2 and segmentor and _pools_images(SEGMENTORS[segmentor]()):
            raise UserError(
                f'--batch {args.batch}: {segmentor} normalises the mean of each image over the batch: '
                'give 2 or more'
            )


def _pools_images(segmentor: dict) -> bool:
    return segmentor['decode_head']['type'] == 'PSPHead'


def measure(
    method: str, segmentor: str | None, args: argparse.Namespace, progress: Progress
) -> dict:
    """One row: times, memory and the agreement of the two sides."""
    size = size_of(args.size)
    gap = agreement(method, segmentor, args.seed)
    pair = build_pair(method, segmentor, (size, size), args.seed)
    batches = [toy_batch(args.batch, size, size, seed=args.seed + i) for i in range(4)]
    rounds = itertools.cycle(batches), itertools.cycle(batches)
    blocks = WARM_UP + max(1, args.iterations // 2)
    task = progress.add_task(_name(method, segmentor), total=blocks)
    times = []
    for block in paired(
        lambda: pair.literal_step(next(rounds[0])),
        lambda: pair.product_step(next(rounds[1])),
        blocks,
    ):
        times.append(block)
        progress.advance(task)
    row = dict(method=method, segmentor=segmentor, blocks=blocks - WARM_UP, gap=gap)
    row |= summary(times[WARM_UP:]) | memory(pair, batches[0])
    if not args.no_paper_sizes:
        row |= paper_memory(method, segmentor, args)
    return row


def _name(method: str, segmentor: str | None) -> str:
    return method if segmentor is None else f'{method}, {segmentor}'


def agreement(method: str, segmentor: str | None, seed: int) -> float:
    """How far apart the two sides are after one iteration in double precision.

    Raises:
        UserError: They do not train alike, so that their times say nothing.
    """
    pair = build_pair(method, segmentor, (CHECK_SIZE, CHECK_SIZE), seed, torch.float64)
    batch = toy_batch(2, CHECK_SIZE, CHECK_SIZE, seed=seed)
    torch.manual_seed(seed)  # of the image pools' draws
    pair.literal_step(batch)
    torch.manual_seed(seed)
    pair.product_step(batch)
    gap = pair.largest_gap()
    if not gap <= MAX_GAP:
        raise UserError(
            f'{_name(method, segmentor)}: the two sides do not train alike, their weights differ by '
            f'{gap:.1e} after one iteration'
        )
    return gap


def memory(pair: Pair, batch: dict) -> dict[str, float]:
    """The peak of each side in bytes, with its batch, and their ratio."""
    # A copy within: the product replaces the labels by padded ones, whose originals are freed.
    plain = peak_bytes(lambda: pair.literal_step(copy.deepcopy(batch)))
    ours = peak_bytes(lambda: pair.product_step(copy.deepcopy(batch)))
    return dict(plain_bytes=plain, ours_bytes=ours, memory_ratio=ours / plain)


def paper_memory(method: str, segmentor: str | None, args: argparse.Namespace) -> dict[str, float]:
    """Memory at the papers' image sizes, computed: a line in the area through two smaller sizes."""
    full, parts = METHODS[method].paper
    found = []
    for part in parts:
        sizes = tuple((height // part, width // part) for height, width in full)
        pair = build_pair(method, segmentor, sizes, args.seed)
        batch = toy_batch(args.batch, *sizes, seed=args.seed)
        pair.literal_step(batch), pair.product_step(batch)  # makes the optimizers' state
        found.append(memory(pair, batch))
    at = {
        key: _extrapolated(*(each[key] for each in found), parts)
        for key in ('plain_bytes', 'ours_bytes')
    }
    return dict(
        paper_plain_bytes=at['plain_bytes'],
        paper_ours_bytes=at['ours_bytes'],
        paper_memory_ratio=at['ours_bytes'] / at['plain_bytes'],
    )


def _extrapolated(small: float, large: float, parts: tuple[int, int]) -> float:
    """The value at the whole area, on the line through those at two parts of its sides."""
    first, second = (1 / part**2 for part in parts)
    return small + (large - small) * (1 - first) / (second - first)


def table(found: Sequence[dict]) -> str:
    """The rows as Markdown."""
    lines = [
        '| method | segmentor | ms, plain | ms, ours | time, ratio (quartiles) | CPU time, ratio | '
        'MiB, plain | MiB, ours | memory, ratio | GiB at paper sizes, computed: plain, ours, ratio |',
        '|---|---|---:|---:|---:|---:|---:|---:|---:|---:|',
    ]
    for row in found:
        paper = 'not run'
        if 'paper_ours_bytes' in row:
            plain, ours = (row[f'paper_{side}_bytes'] / 2**30 for side in ('plain', 'ours'))
            paper = f'{plain:.2f}, {ours:.2f}, {row["paper_memory_ratio"]:.3f}'
        lines.append(
            f'| {row["method"]} | {row["segmentor"] or "–"} | {row["plain_ms"]:.1f} | {row["ours_ms"]:.1f} | '
            f'{row["ratio"]:.3f} ({row["ratio_low"]:.3f} to {row["ratio_high"]:.3f}) | '
            f'{row["ratio_cpu"]:.3f} | {row["plain_bytes"] / 2**20:.2f} | '
            f'{row["ours_bytes"] / 2**20:.2f} | {row["memory_ratio"]:.3f} | {paper} |'
        )
    return '\n'.join(lines) + '\n'


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    size_of(args.size)
    init_default_scope('mmseg')
    chosen = rows(args.methods, args.segmentors)
    if not chosen:
        raise UserError(
            '--methods, --segmentors: none of these segmentors has the auxiliary head needed'
        )
    require_fitting(chosen, args)
    kept = keep_freed_memory()
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), 'left:')
    console = Console(stderr=True)
    with threads(args.threads), Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        facts = environment(args.seed)
        found = [measure(method, segmentor, args, bar) for method, segmentor in chosen]
    text = (
        f'{environment_text(facts)}{"" if kept else "Freed memory goes back to the system. "}\n'
        f'{args.batch} images of {args.size} of each domain, '
        f'{found[0]["blocks"]} blocks of plain, ours, ours, plain; milliseconds are of the fastest '
        f'block.\n\n{table(found)}'
    )
    print(text)
    if args.json:
        write_json(dict(environment=facts, size=args.size, batch=args.batch, rows=found), args.json)
    if args.docs:
        write_docs(text, DOCS, args.docs)


if __name__ == '__main__':
    with user_errors():
        main()
