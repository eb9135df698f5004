"""Throughput of the strong augmentation of self-training: colour jitter and blur, on the CPU.

    python benchmarks/augmentation.py
    python benchmarks/augmentation.py --sizes 512 1024 --repeats 5 --threads 2

Of one normalised image, with the order and the factors that a training draws. The ways take turns,
so that other work on the machine meets all of them; the figure is the median. A training jitters
with a probability of 0.8 and blurs with one of 0.5; "expected" is the mean of that.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from measure import environment, environment_text, keep_freed_memory, threads
from torch import Tensor

from mmseg_da.errors import UserError, user_errors
from mmseg_da.functional import colour_jitter, gaussian_blur

STRENGTH, JITTERED, BLURRED = 0.2, 0.8, 0.5
MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measure jitter and blur')
    parser.add_argument('--sizes', nargs='+', type=int, default=[512, 1024], help='sides of images')
    parser.add_argument('--repeats', type=int, default=9, help='of each way')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(args)


def jittered(image: Tensor, rng: random.Random) -> Tensor:
    """A normalised image (3, H, W) through the jitter, which works on RGB in [0, 1]."""
    factors = [1 + rng.uniform(-STRENGTH, STRENGTH) for _ in range(3)]
    factors.append(rng.uniform(-STRENGTH, STRENGTH))
    pixels = (image * STD + MEAN) / 255
    changed = colour_jitter(pixels, factors, rng.sample(range(4), 4))
    return (changed * 255 - MEAN) / STD


def blurred(image: Tensor, rng: random.Random) -> Tensor:
    """A normalised image (3, H, W), blurred."""
    return gaussian_blur(image, rng.uniform(0.15, 1.15))


def measure(size: int, args: argparse.Namespace) -> dict[str, float]:
    """Medians of milliseconds an image, after one call that does not count."""
    rng = random.Random(args.seed)
    image = torch.randn(3, size, size, generator=torch.Generator().manual_seed(args.seed))
    ways: dict[str, Callable[[], Tensor]] = dict(
        jitter=lambda: jittered(image, rng), blur=lambda: blurred(image, rng)
    )
    found: dict[str, list[float]] = {name: [] for name in ways}
    for name in [*ways] * (args.repeats + 1):
        start = time.perf_counter()
        ways[name]()
        found[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(times[1:]) for name, times in found.items()}


def table(rows: dict[int, dict[str, float]]) -> str:
    """The rows as Markdown."""
    lines = [
        '| images | ms, jitter | ms, blur | ms, expected | images per second, expected |',
        '|---|---:|---:|---:|---:|',
    ]
    for size, row in rows.items():
        expected = JITTERED * row['jitter'] + BLURRED * row['blur']
        lines.append(
            f'| {size}x{size} | {row["jitter"]:.1f} | {row["blur"]:.1f} | {expected:.1f} | '
            f'{1000 / expected:.1f} |'
        )
    return '\n'.join(lines) + '\n'


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if min(args.repeats, args.threads) < 1 or min(args.sizes) < 16:
        raise UserError('--repeats and --threads must be 1 or more, --sizes 16 or more')
    keep_freed_memory()
    with threads(args.threads):
        facts = environment(args.seed)
        rows = {size: measure(size, args) for size in args.sizes}
    print(f'{environment_text(facts)}\nMedians of {args.repeats}.\n\n{table(rows)}')


if __name__ == '__main__':
    with user_errors():
        main()
