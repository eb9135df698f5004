"""Throughput of the strong augmentation of self-training, on this machine's CPU.

    python benchmarks/augmentation.py
    python benchmarks/augmentation.py --sizes 512x512 1024x1024 --images 20

Times the colour jitter and the blur of one image, each always on, with factors that differ from image
to image; and their cost per image as training draws them, the jitter in four of five batches and the
blur in half.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from measure import environment, environment_text, threads
from mmengine.registry import init_default_scope
from step_time import size_of
from torch import Tensor

from mmseg_da.errors import UserError, user_errors
from mmseg_da.functional import colour_jitter, gaussian_blur
from mmseg_da.models import SelfTraining

KEY = (0, 0)


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Time jitter and blur')
    parser.add_argument('--sizes', nargs='+', default=['512x512', '1024x1024'])
    parser.add_argument('--images', type=int, default=10, help='of each size, beside a first one')
    parser.add_argument('--threads', type=int, default=1)
    return parser.parse_args(args)


def seconds(change: Callable[[Tensor, int], Tensor], image: Tensor, images: int) -> float:
    """The mean time of one image; the first is not counted."""
    change(image, 0)
    start = time.perf_counter()
    for number in range(1, images + 1):
        change(image, number)
    return (time.perf_counter() - start) / images


def measure(size: tuple[int, int], images: int) -> tuple[float, float, float]:
    """Seconds of a jitter, of a blur, and of an image as training draws both."""
    drawing = SelfTraining()
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    jitter = seconds(lambda x, n: colour_jitter(x, *drawing.jitter_of(KEY, n)), image, images)
    blur = seconds(lambda x, n: gaussian_blur(x, drawing.sigma_of(KEY, n)), image, images)
    return jitter, blur, drawing.jitter_prob * jitter + drawing.blur_prob * blur


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    sizes = [size_of(each) for each in args.sizes]
    if args.images < 1:
        raise UserError(f'--images {args.images}: give 1 or more')
    init_default_scope('mmseg')
    with threads(args.threads):
        print(environment_text(environment(seed=0)))
        print('| size | ms, jitter | ms, blur | ms, as drawn | images a second, as drawn |')
        print('|---|---:|---:|---:|---:|')
        for name, size in zip(args.sizes, sizes, strict=True):
            jitter, blur, drawn = measure(size, args.images)
            cells = [f'{1000 * each:.1f}' for each in (jitter, blur, drawn)]
            print(f'| {name} | {" | ".join(cells)} | {1 / drawn:.1f} |')


if __name__ == '__main__':
    with user_errors():
        main()
