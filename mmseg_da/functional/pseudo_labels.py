"""Which pixels of a prediction are sure enough to be learned from."""

import math

import torch
from torch import Tensor

from mmseg_da.functional.precision import full_precision

BINS = 65536
"""Confidences are told apart by steps of ``1 / BINS``, 1.5e-5; a pixel's bin fits into 16 bits."""
IGNORE = 255


def confidence_bins(confidence: Tensor) -> Tensor:
    """The bin of each confidence.

    Args:
        confidence: Probabilities in [0, 1], any shape, float.

    Returns:
        ``floor(BINS * confidence)``, at most ``BINS - 1``, int32, of the same shape. So
        ``confidence >= t / BINS`` exactly where ``bin >= t``, for whole t below BINS.
    """
    scaled = full_precision(confidence) * BINS  # exact: a power of two
    return scaled.clamp(0, BINS - 1).to(torch.int32)


def class_histogram(labels: Tensor, bins: Tensor, num_classes: int) -> Tensor:
    """How many pixels each class has in each bin.

    Args:
        labels: Predicted classes, integers 0 to ``num_classes`` - 1, any shape.
        bins: The bin of each pixel's confidence, see :func:`confidence_bins`.
        num_classes: Number of classes C.

    Returns:
        Counts (C, BINS), int64. Those of several images add up.
    """
    cells = labels.flatten().long() * BINS + bins.flatten().long()
    return torch.bincount(cells, minlength=num_classes * BINS).view(num_classes, BINS)


def class_share_thresholds(histogram: Tensor, keep: float, sure: float | None = None) -> Tensor:
    """The least confidence of each class, so that the surest share of its pixels is kept.

    The released code of FDA (Yang and Soatto, 2020, section 3.2 has the idea) sorts the confidences
    of the n pixels of a class, takes the one at index ``round((1 - keep) * n)``, and 0.9 if that is
    less. Here each confidence counts as the lower edge of its bin.

    Args:
        histogram: Counts (C, BINS) of predicted pixels.
        keep: The share to keep, above 0 and up to 1.
        sure: A confidence in (0, 1] that is always enough; ``None`` for none.

    Returns:
        Bins (C,), int64: a pixel is kept if its bin is not below that of its class. All pixels of
        the bin in which the rank lies are kept. 0 for a class without a pixel.
    """
    count = histogram.sum(dim=1)
    drop = round(1.0 - keep, 12)  # 0.66 and not 0.6599999999999999
    rank = (drop * count.double()).round().long()  # half to even, as Python and NumPy round
    bins = _bins_at(histogram, rank.minimum(count - 1).clamp(min=0))
    if sure is not None:
        bins = bins.clamp(max=_first_bin(sure))
    return bins.where(count > 0, 0)


def class_balanced_thresholds(histogram: Tensor, keep: float) -> Tensor:
    """The confidence of the last of the surest pixels of each class, for :func:`balanced_labels`.

    The released code of CBST (Zou et al., 2018) sorts the confidences of the n pixels of a class and
    takes that of number ``floor(keep * n)`` from the highest.

    Args:
        histogram: Counts (C, BINS) of predicted pixels.
        keep: The share, above 0 and up to 1.

    Returns:
        Bins (C,), int64; 0 for a class of so few pixels that none is kept.
    """
    count = histogram.sum(dim=1)
    kept = (keep * count.double()).floor().long()
    bins = _bins_at(histogram, (count - kept).minimum(count - 1).clamp(min=0))
    return bins.where(kept > 0, 0)


def confidence_thresholds(histogram: Tensor, least: float) -> Tensor:
    """The same threshold for all classes.

    Args:
        histogram: Counts (C, BINS) of predicted pixels, which the number of classes is taken from.
        least: The least confidence, in (0, 1].

    Returns:
        Bins (C,), int64.
    """
    return torch.full((len(histogram),), _first_bin(least))


def sure_labels(labels: Tensor, bins: Tensor, thresholds: Tensor) -> Tensor:
    """Predictions, without those that are not sure enough.

    Args:
        labels: Predicted classes, integers, any shape.
        bins: The bin of each pixel's confidence.
        thresholds: The least bin of each class (C,).

    Returns:
        Classes or 255, uint8, of the same shape.
    """
    kept = bins >= thresholds[labels.long()]
    return labels.to(torch.uint8).where(kept, torch.tensor(IGNORE, dtype=torch.uint8))


def balanced_labels(probabilities: Tensor, thresholds: Tensor) -> Tensor:
    """Classes by their probability relative to what is sure for each class.

    Class-balanced self-training (CBST, Zou et al., 2018): the class of the largest
    ``p_c / exp(-k_c)``, if that is 1 or more, where ``exp(-k_c)`` is the least confidence of class c.

    Args:
        probabilities: (C, ...) in [0, 1].
        thresholds: The least bin of each class (C,). A class of bin 0, which has no pixel to measure
            by, needs a probability of 1.

    Returns:
        Classes or 255, uint8, of shape (...).
    """
    least = torch.where(thresholds > 0, thresholds, BINS).to(probabilities) / BINS
    relative = probabilities / least.view(-1, *[1] * (probabilities.dim() - 1))
    largest, labels = relative.max(dim=0)
    return labels.to(torch.uint8).where(largest >= 1, torch.tensor(IGNORE, dtype=torch.uint8))


def _bins_at(histogram: Tensor, rank: Tensor) -> Tensor:
    """The bin (C,) of the pixel of each class at a rank (C,), counted from the least sure, from 0."""
    return torch.searchsorted(histogram.cumsum(dim=1), rank.unsqueeze(1), right=True).squeeze(1)


def _first_bin(confidence: float) -> int:
    """The first bin that holds no confidence below this one; the last bin for the highest."""
    return min(math.ceil(confidence * BINS), BINS - 1)
