"""Scores of one scene at two scales: where the detail lies, and how both are fused."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor

Box = tuple[int, int, int, int]
"""Top, bottom, left and right; the bottom row and the right column are not in it."""


def draw_box(size: Sequence[int], crop: Sequence[int], multiple: int, at: Sequence[float]) -> Box:
    """A box whose origin is a multiple of some pixels, each as likely as the others.

    Args:
        size: Height and width of the image.
        crop: Height and width of the box, at most those of the image.
        multiple: Of which the origin's row and column are multiples.
        at: Two random numbers in [0, 1), for the row and the column.
    """
    top, left = (
        int(where * ((whole - part) // multiple + 1)) * multiple
        for whole, part, where in zip(size, crop, at, strict=True)
    )
    return top, top + crop[0], left, left + crop[1]


def window_boxes(size: Sequence[int], crop: Sequence[int], stride: Sequence[int]) -> list[Box]:
    """The windows that slide over an image, row by row, as mmseg slides them.

    The last ones are moved back so that they end with the image; a window that is larger than the
    image is the image.

    Args:
        size: Height and width of the image.
        crop: Height and width of a window.
        stride: Rows and columns from one to the next, at most those of a window.
    """
    rows, columns = (list(_starts(*each)) for each in zip(size, crop, stride, strict=True))
    return [(*row, *column) for row in rows for column in columns]


def _starts(length: int, window: int, stride: int) -> Iterator[tuple[int, int]]:
    count = max(length - window + stride - 1, 0) // stride + 1
    for number in range(count):
        last = min(number * stride + window, length)
        yield max(last - window, 0), last


def scaled_box(box: Box, stride: int) -> Box:
    """The cells of a map of this stride that a box of pixels covers; it is aligned with them."""
    top, bottom, left, right = box
    return top // stride, bottom // stride, left // stride, right // stride


def cut(values: Tensor, box: Box | None) -> Tensor:
    """The part of values (..., H, W) in a box; everything, without one."""
    if box is None:
        return values
    top, bottom, left, right = box
    return values[..., top:bottom, left:right]


def placed(values: Tensor, box: Box, size: Sequence[int]) -> Tensor:
    """Values (..., h, w) of a box on zeros (..., H, W)."""
    top, bottom, left, right = box
    return F.pad(values, (left, size[1] - right, top, size[0] - bottom))


def masked_to(values: Tensor, box: Box) -> Tensor:
    """Values (..., H, W) inside of a box, and 0 outside."""
    return placed(cut(values, box), box, values.shape[-2:])


def averaged(windows: Iterable[Tensor], boxes: Sequence[Box], size: Sequence[int]) -> Tensor:
    """What overlapping windows say, the mean where they overlap.

    Args:
        windows: Values (N, C, h, w) of each.
        boxes: Where they lie; together they cover everything.
        size: Height and width of the whole.

    Returns:
        (N, C, H, W).
    """
    sums: tuple[Tensor, Tensor] | None = None
    for values, box in zip(windows, boxes, strict=True):
        if sums is None:
            sums = values.new_zeros(*values.shape[:-2], *size), values.new_zeros(1, 1, *size)
        cut(sums[0], box).add_(values)
        cut(sums[1], box).add_(1)
    if sums is None:
        raise ValueError('there is no window')
    return sums[0] / sums[1]


def fuse(
    context: Tensor,
    detail: Tensor,
    attention: Tensor,
    box: Box | None = None,
    scale: int = 2,
    align_corners: bool = False,
) -> Tensor:
    """Fuse scores of low-resolution context and of high-resolution detail.

    Hoyer et al., "HRDA: Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation", ECCV
    2022, equations 7 to 9: ``up(a') * detail + up((1 - a') * context)``, where a' is the attention
    inside of the detail's box and 0 outside. It is masked at low resolution, and interpolation
    carries it across the border by up to one cell.

    Args:
        context: Scores (N, C, h, w) of the whole scene.
        detail: Scores of the box, (N, C, box) in cells of the fine map.
        attention: How much the detail is to be trusted, (N, C, h, w) or (N, 1, h, w), in [0, 1].
        box: Where the detail lies, in cells of the fine map, multiples of ``scale``; without one it
            is everything.
        scale: Cells of the fine map per cell of the coarse one, along each side.
        align_corners: How both are interpolated, bilinearly.

    Returns:
        (N, C, scale h, scale w).
    """
    size = [scale * side for side in context.shape[-2:]]
    if box is not None:
        attention = masked_to(attention, scaled_box(box, scale))
        detail = placed(detail, box, size)

    def up(values: Tensor) -> Tensor:
        return F.interpolate(values, size, mode='bilinear', align_corners=align_corners)

    return up(attention) * detail + up((1 - attention) * context)


def in_chunks(count: int, most: int | None) -> Iterator[slice]:
    """Slices of ``count`` things with at most ``most`` each; one slice, if it is None."""
    step = count if most is None else most
    for first, last in pairwise([*range(0, count, step), count]):
        yield slice(first, last)


def padded_to(images: Tensor, multiple: int) -> Tensor:
    """Images (N, C, H, W), continued by 0 at the bottom and right to a multiple of some pixels."""
    missing = [-side % multiple for side in images.shape[-2:]]
    if not any(missing):
        return images
    return F.pad(images, (0, missing[1], 0, missing[0]))


def shrunk(images: Tensor, scale: int = 2, align_corners: bool = False) -> Tensor:
    """Images (N, C, H, W) at a ``scale``-th of their size, which divides them."""
    size = [side // scale for side in images.shape[-2:]]
    return F.interpolate(images, size, mode='bilinear', align_corners=align_corners)
