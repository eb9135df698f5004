"""Which pixels of an image pair, or of an image, a mixed or masked image keeps."""

import math

import torch
from torch import Tensor

IGNORE = 255


def classes_present(labels: Tensor, num_classes: int) -> Tensor:
    """Which classes the labels of each image hold.

    Args:
        labels: Classes (N, H, W), int64; those that are no class, such as 255, count as one more.
        num_classes: Number of classes C.

    Returns:
        (N, C + 1), bool; the last for what is no class.
    """
    present = labels.new_zeros(len(labels), num_classes + 1, dtype=torch.bool)
    return present.scatter(1, _numbered(labels, num_classes).flatten(1), True)


def half_of_classes(present: Tensor, keys: Tensor) -> Tensor:
    """Choose ``(n + n mod 2) / 2`` of n classes, without replacement.

    Args:
        present: The classes to choose from (N, K), bool.
        keys: Random numbers in [0, 1) (N, K): the classes of the lowest are taken.

    Returns:
        (N, K), bool.
    """
    order = keys.masked_fill(~present, 2.0).argsort(dim=1, stable=True)
    rank = order.argsort(dim=1)
    count = present.sum(dim=1, keepdim=True)
    return rank < (count + count % 2) // 2


def class_mask(labels: Tensor, chosen: Tensor) -> Tensor:
    """The pixels of the chosen classes.

    ClassMix (Olsson et al., "ClassMix: Segmentation-Based Data Augmentation for Semi-Supervised
    Learning", 2021), as DACS (Tranheden et al., 2021, section 3.2) applies it to source labels.

    Args:
        labels: Classes (N, H, W), int64, 255 and others that are no class.
        chosen: Of each image (N, C + 1), the last for what is no class.

    Returns:
        (N, H, W), bool.
    """
    numbered = _numbered(labels, chosen.shape[1] - 1)
    return chosen.gather(1, numbered.flatten(1)).view_as(labels)


def block_mask(keys: Tensor, ratio: float, block: int, height: int, width: int) -> Tensor:
    """Mask whole blocks of an image.

    Hoyer et al., "MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation", 2023,
    equation 4.

    Args:
        keys: Random numbers in [0, 1), one for each block (N, ceil(H / b) * ceil(W / b)).
        ratio: A block is kept if its number is above.
        block: Side b of a block in pixels; blocks at the right and bottom border may be cut.
        height: Of the image.
        width: Of the image.

    Returns:
        (N, 1, H, W), bool: the pixels that are kept.
    """
    rows, columns = blocks(block, height, width)
    grid = (keys > ratio).view(-1, 1, rows, columns)
    whole = grid.repeat_interleave(block, dim=2).repeat_interleave(block, dim=3)
    return whole[..., :height, :width]


def blocks(block: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of blocks of an image."""
    return math.ceil(height / block), math.ceil(width / block)


def confident_share(confidence: Tensor, threshold: float) -> Tensor:
    """The share of the pixels of a batch of which the teacher is sure (``>= threshold``), 0-d."""
    return (confidence >= threshold).to(confidence.dtype).mean()


def inside_margins(height: int, top: float, bottom: float, like: Tensor) -> Tensor:
    """1 for the rows between two margins, 0 for those in them.

    Args:
        height: Number of rows H.
        top: Rows to leave out, a whole number, or a share of H as a float below 1.
        bottom: The same at the bottom.
        like: A tensor of the wanted type on the wanted device.

    Returns:
        (H, 1).
    """
    first, last = rows_of(top, height), height - rows_of(bottom, height)
    number = torch.arange(height, device=like.device)
    return ((number >= first) & (number < last)).to(like.dtype).unsqueeze(1)


def rows_of(margin: float, height: int) -> int:
    """A margin in rows: itself, if a whole number, else a share of the height."""
    return margin if isinstance(margin, int) else round(margin * height)


def _numbered(labels: Tensor, num_classes: int) -> Tensor:
    wrong = (labels < 0) | (labels > num_classes)
    return labels.masked_fill(wrong, num_classes)
