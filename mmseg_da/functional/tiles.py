"""A function of an image, applied to overlapping tiles whose results fade into each other."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

Window = tuple[slice, slice]


def reflect_to(images: Tensor, height: int, width: int) -> Tensor:
    """Continue images (N, C, H, W) at the bottom and the right by their mirror image.

    Args:
        images: Of any size; where the mirror image ends too, it is mirrored again.
        height: At least H.
        width: At least W.

    Returns:
        Images (N, C, height, width); the first H rows and W columns are the ones given.
    """
    for dim, size in ((-2, height), (-1, width)):
        if size > images.shape[dim]:
            index = _mirrored(images.shape[dim], size).to(images.device)
            images = images.index_select(dim, index)
    return images


def _mirrored(length: int, size: int) -> Tensor:
    """Positions 0, 1, ..., length-1, length-2, ..., 0, 1, ...; the edge itself is not repeated."""
    period = max(2 * (length - 1), 1)
    index = torch.arange(size) % period
    return torch.where(index < length, index, period - index)


def tile_starts(length: int, tile: int, overlap: int, step: int = 1) -> list[int]:
    """Where tiles begin that cover a side, evenly spread.

    Args:
        length: Of the side, a multiple of ``step``.
        tile: Length of a tile, a multiple of ``step``; one that is longer than the side is cut.
        overlap: What neighbours share at least, more than 0 and at most ``tile - step``.
        step: Of which starts are multiples, so that a network that halves its images has the same
            grid in each tile.
    """
    if tile >= length:
        return [0]
    stride = (tile - overlap) // step * step
    gaps = -(-(length - tile) // stride)
    return [i * (length - tile) // (gaps * step) * step for i in range(gaps + 1)]


def tile_weights(length: int, starts: Sequence[int], tile: int) -> Tensor:
    """How much of each position comes from each tile.

    Neighbours fade into each other over the middle half of what they share. The quarters beside
    it, where a tile's own border shows, do not count.

    Returns:
        Weights in [0, 1] (tiles, length), 0 outside of a tile; they sum to 1 at each position.
    """
    position = torch.arange(length) + 0.5
    rises = [torch.ones(length)]
    for before, start in itertools.pairwise(starts):
        shared = before + tile - start
        rises.append(((position - start - shared / 4) / (shared / 2)).clamp(0, 1))
    rises.append(torch.zeros(length))
    return torch.stack([rise - after for rise, after in itertools.pairwise(rises)])


def windows(
    size: Sequence[int], tile: Sequence[int], overlap: int, step: int = 1
) -> Iterator[tuple[Window, Tensor]]:
    """The tiles of an image, as slices of its rows and columns, with their weights (h, w).

    Args:
        size: Height and width of the image, multiples of ``step``.
        tile: Height and width of a tile.
        overlap: See :func:`tile_starts`.
        step: See :func:`tile_starts`.
    """
    sides = []
    for length, side in zip(size, tile, strict=True):
        side = min(side, length)
        starts = tile_starts(length, side, overlap, step)
        rows = tile_weights(length, starts, side)
        sides.append(
            [
                (slice(start, start + side), row[start : start + side])
                for start, row in zip(starts, rows, strict=True)
            ]
        )
    for down, weights in sides[0]:
        for across, others in sides[1]:
            yield (down, across), weights[:, None] * others


def by_tiles(
    function: Callable[[Tensor], Tensor],
    images: Tensor,
    tile: tuple[int, int],
    overlap: int,
    step: int = 1,
) -> Tensor:
    """Apply a function to images tile by tile, without visible seams.

    Where a result depends on pixels nearer than a quarter of ``overlap`` alone, it is that of the
    whole image.

    Args:
        function: From images (N, C, h, w) to images of the same shape, on any device.
        images: (N, C, H, W), multiples of ``step``.
        tile: Height and width of a tile, multiples of ``step``.
        overlap: Pixels that neighbours share at least.
        step: See :func:`tile_starts`.

    Returns:
        Float images (N, C, H, W) on the device of ``images``.
    """
    result = torch.zeros(images.shape, device=images.device)
    for (rows, columns), weights in windows(images.shape[-2:], tile, overlap, step):
        part = function(images[..., rows, columns]).to(images.device)
        result[..., rows, columns] += part * weights.to(images.device)
    return result
