"""Distances between features, where labels say so."""

import torch
from torch import Tensor

from mmseg_da.functional.precision import full_precision


def cell_classes(
    labels: Tensor, num_classes: int, size: tuple[int, int], min_share: float = 0.75
) -> Tensor:
    """The class that covers each cell of a feature map.

    Args:
        labels: Classes (N, H, W), int64; others than 0 to ``num_classes - 1`` are no class, but
            count among a cell's pixels.
        num_classes: Number of classes C.
        size: Height h and width w of the feature map. A pixel of row y is in the cell of row
            ``y * h // H``; where H is a multiple of h these are the windows of average pooling.
        min_share: Share of a cell's pixels that its class has at least, in (0, 1].

    Returns:
        Classes (N, h, w), int64, and C where none has the share or where most pixels have no class.
    """
    number, height, width = labels.shape
    classes = labels.masked_fill((labels < 0) | (labels > num_classes), num_classes)
    rows = torch.arange(height, device=labels.device) * size[0] // height
    columns = torch.arange(width, device=labels.device) * size[1] // width
    cells = rows[:, None] * size[1] + columns
    cell_count = size[0] * size[1]
    counts = labels.new_zeros(number, (num_classes + 1) * cell_count)
    index = (classes * cell_count + cells).flatten(1)
    counts.scatter_add_(1, index, torch.ones_like(index))
    counts = counts.view(number, num_classes + 1, *size)
    most, found = counts.max(dim=1)
    return found.masked_fill(most < min_share * counts.sum(dim=1), num_classes)


def feature_distances(features: Tensor, reference: Tensor) -> Tensor:
    """Euclidean distances over channels, in single precision at least.

    Args:
        features: (N, C, h, w).
        reference: The same shape.

    Returns:
        Distances (N, h, w); where both are equal, the gradient is 0.
    """
    return torch.linalg.vector_norm(full_precision(features) - full_precision(reference), dim=1)
