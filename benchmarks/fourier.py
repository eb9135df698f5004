"""Time of FDA's swap of low frequencies: few frequencies, all of them by FFT, and NumPy.

    python benchmarks/fourier.py
    python benchmarks/fourier.py --sizes 720x1280 --betas 0.01 0.05 --batch 2

Of one batch of source and target images with three channels, on the CPU. The ways take turns, so that
other work on the machine meets all of them; the figure is the median.
"""

import argparse
import re
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from adaptation import DOCS, write_docs
from measure import environment, environment_text, keep_freed_memory, threads
from torch import Tensor

from mmseg_da.errors import UserError, user_errors
from mmseg_da.functional.fourier import few_are_faster, swap_window, window_radius

SIZES = ('256x512', '512x1024', '720x1280', '761x1279')
BETAS = (0.01, 0.05, 0.09, 0.2)
WINDOW = 'symmetric'


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measure the swap of low frequencies')
    parser.add_argument('--sizes', nargs='+', default=SIZES, help='HEIGHTxWIDTH of the images')
    parser.add_argument('--betas', nargs='+', type=float, default=BETAS)
    parser.add_argument('--batch', type=int, default=1, help='images of each domain')
    parser.add_argument('--repeats', type=int, default=9, help='of each way')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--docs', nargs='?', const='fourier', help='write the table to this section of the docs'
    )
    return parser.parse_args(args)


def size_of(text: str) -> tuple[int, int]:
    """The height and width in ``HEIGHTxWIDTH``."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if not match or min(map(int, match.groups())) < 8:
        raise UserError(f'--sizes {text}: give HEIGHTxWIDTH of 8 pixels or more, such as 512x1024')
    return int(match[1]), int(match[2])


def radius_of(size: tuple[int, int], beta: float) -> int:
    """The radius of the window."""
    try:
        return window_radius(min(size), beta)
    except ValueError as error:
        raise UserError(f'--betas: {error}') from error


def pictures(batch: int, size: tuple[int, int], seed: int) -> Tensor:
    """Smooth pixels with noise (N, 3, H, W), as whole numbers in [0, 255]."""
    rng = torch.Generator().manual_seed(seed)
    smooth = F.interpolate(torch.rand(batch, 3, 9, 9, generator=rng), size, mode='bicubic')
    noise = 20 * torch.randn(batch, 3, *size, generator=rng)
    return (255 * smooth + noise).clamp(0, 255).round()


def by_numpy(source: np.ndarray, target: np.ndarray, radius: int) -> np.ndarray:
    """The symmetric window, by whole transforms in double precision."""
    ours, theirs = (np.fft.fft2(each.astype(np.float64)) for each in (source, target))
    swapped, model = (np.fft.fftshift(np.abs(each), axes=(-2, -1)) for each in (ours, theirs))
    row, column = (side // 2 for side in source.shape[-2:])
    rows, columns = (slice(middle - radius, middle + radius + 1) for middle in (row, column))
    swapped[..., rows, columns] = model[..., rows, columns]
    swapped = np.fft.ifftshift(swapped, axes=(-2, -1))
    return np.real(np.fft.ifft2(swapped * np.exp(1j * np.angle(ours))))


def milliseconds(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The median of each, after one call that does not count."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for name in [*ways] * (repeats + 1):
        start = time.perf_counter()
        ways[name]()
        found[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(times[1:]) for name, times in found.items()}


def measure(size: tuple[int, int], beta: float, args: argparse.Namespace) -> dict[str, float]:
    """One row of the table."""
    radius = radius_of(size, beta)
    source, target = (pictures(args.batch, size, args.seed + i) for i in range(2))
    ways = dict(
        partial=lambda: swap_window(source, target, radius, WINDOW, partial=True),
        full=lambda: swap_window(source, target, radius, WINDOW, partial=False),
        numpy=lambda: by_numpy(source.numpy(), target.numpy(), radius),
    )
    exact = torch.from_numpy(ways['numpy']())
    gaps = {f'{way}_gap': (ways[way]() - exact).abs().max().item() for way in ('partial', 'full')}
    return dict(radius=radius, **gaps, **milliseconds(ways, args.repeats))


def table(found: dict[tuple[str, float], dict[str, float]]) -> str:
    """The rows as Markdown."""
    lines = [
        '| images | beta | b | ms, few frequencies | ms, FFT | ms, NumPy | taken | largest difference '
        'from NumPy: few, FFT |',
        '|---|---:|---:|---:|---:|---:|---|---:|',
    ]
    for (size, beta), row in found.items():
        taken = 'few' if few_are_faster(size_of(size), row['radius']) else 'FFT'
        lines.append(
            f'| {size} | {beta:g} | {row["radius"]} | {row["partial"]:.1f} | {row["full"]:.1f} | '
            f'{row["numpy"]:.1f} | {taken} | {row["partial_gap"]:.1e}, {row["full_gap"]:.1e} |'
        )
    return '\n'.join(lines) + '\n'


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if min(args.batch, args.repeats) < 1:
        raise UserError('--batch, --repeats: give 1 or more')
    chosen = [(size, beta) for size in args.sizes for beta in args.betas]
    for size, beta in chosen:
        radius_of(size_of(size), beta)
    keep_freed_memory()
    with threads(args.threads):
        facts = environment(args.seed)
        found = {(size, beta): measure(size_of(size), beta, args) for size, beta in chosen}
    text = (
        f'{environment_text(facts)}\n{args.batch} source and {args.batch} target images of three '
        f'channels, median of {args.repeats}; differences in grey levels of 0 to 255.\n\n{table(found)}'
    )
    print(text)
    if args.docs:
        write_docs(text, DOCS, args.docs)


if __name__ == '__main__':
    with user_errors():
        main()
