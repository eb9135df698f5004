"""Between the three ways to write an image: pixels, what generators see, what segmentors see."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from mmseg_da.functional.precision import full_precision


def resized(pixels: Tensor, size: Sequence[int]) -> Tensor:
    """Images (N, C, H, W) resized to a height and width, without aliasing where they shrink."""
    if tuple(pixels.shape[-2:]) == tuple(size):
        return pixels
    return F.interpolate(pixels, tuple(size), mode='bilinear', antialias=True)


def to_unit_range(pixels: Tensor) -> Tensor:
    """RGB pixels (N, 3, H, W) in [0, 255] as a generator's input in [-1, 1]."""
    return full_precision(pixels) / 127.5 - 1.0


def from_unit_range(values: Tensor) -> Tensor:
    """A generator's output (N, 3, H, W) in [-1, 1] as RGB pixels in [0, 255]; differentiable."""
    return (full_precision(values) + 1.0) * 127.5


def normalise(pixels: Tensor, mean: Tensor, std: Tensor, to_bgr: bool = False) -> Tensor:
    """RGB pixels (N, 3, H, W) in [0, 255] as a segmentor's images; differentiable.

    Args:
        pixels: The pixels.
        mean: Per channel (3, 1, 1), in the segmentor's order of channels.
        std: The same.
        to_bgr: The segmentor's order is BGR.
    """
    ordered = pixels.flip(1) if to_bgr else pixels
    return (ordered - mean) / std


def denormalise(images: Tensor, mean: Tensor, std: Tensor, from_bgr: bool = False) -> Tensor:
    """The inverse of :func:`normalise`, in float32 at least."""
    ordered = full_precision(images) * std + mean
    return ordered.flip(1) if from_bgr else ordered
