"""What a segmentor's logits say about its certainty."""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from mmseg_da.functional.precision import full_precision

_LARGEST = 1e30  # twice that is finite in float32, as are the differences of which softmax is made


def upsampled_scores(logits: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """Logits (N, C, h, w) at another size (N, C, H, W), bilinear, in float32 at least.

    An infinite logit in half precision counts as a large one here, too: among finite neighbours,
    infinity would become NaN, which nothing mends afterwards.

    Args:
        logits: Scores of a segmentor, at the head's own resolution.
        size: Height and width of the result.
        align_corners: As the head up-samples.
    """
    return F.interpolate(_tame(logits), tuple(size), mode='bilinear', align_corners=align_corners)


def softmax_map(logits: Tensor) -> Tensor:
    """Class probabilities (N, C, H, W) of logits (N, C, H, W), in float32 at least."""
    return _tame(logits).softmax(dim=1)


def self_information_map(logits: Tensor) -> Tensor:
    """Weighted self-information of each class at each pixel (ADVENT, section 3.2, equation 4).

    Args:
        logits: Scores of a segmentor (N, C, H, W), C > 1.

    Returns:
        ``-P * log2(P) / log2(C)`` (N, C, H, W) in float32 at least, in [0, 0.5308 / log2(C)].
        Its sum over the classes is the pixel's entropy, in [0, 1]. Taken from the logarithm of the
        softmax, so it is 0 where P is 0; finite for every logit in half precision, infinite ones
        included.
    """
    return -_information(logits) / math.log(logits.shape[1])


def entropy_map(logits: Tensor) -> Tensor:
    """Entropy of the classes at each pixel, relative to the largest (ADVENT, section 3.1).

    Args:
        logits: Scores of a segmentor (N, C, H, W), C > 1.

    Returns:
        ``-sum_c P * log(P) / log(C)`` (N, H, W) in float32 at least: 0 where one class is certain,
        1 where all are alike, up to rounding. Finite where :func:`self_information_map` is.
    """
    return -_information(logits).sum(dim=1) / math.log(logits.shape[1])


def robust_entropy(entropy: Tensor, eta: float = 2.0, epsilon: float = 1e-8) -> Tensor:
    """Charbonnier penalty of an entropy: for eta > 0.5 high values weigh more than low ones.

    Args:
        entropy: Any shape, in [0, 1].
        eta: Exponent, positive.
        epsilon: Positive; keeps the gradient finite at 0 for every eta.

    Returns:
        ``(entropy ** 2 + epsilon) ** eta``, of the same shape, in float32 at least.

    Source: Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020,
    section 3.
    """
    return (full_precision(entropy).square() + epsilon).pow(eta)


def highest(values: Tensor, share: float) -> Tensor:
    """The highest values of each image, in no order.

    Args:
        values: (N, H, W).
        share: Of the pixels that are taken, in (0, 1]; at least one is.

    Returns:
        (N, round(share * H * W)). How many it is does not depend on the values, so that nothing
        waits for the device.
    """
    flat = values.flatten(1)
    count = max(1, round(share * flat.shape[1]))
    return flat.topk(count, dim=1, sorted=False).values


def _information(logits: Tensor) -> Tensor:
    """P * ln(P) for each class (N, C, H, W)."""
    log_probs = _tame(logits).log_softmax(dim=1)
    return log_probs.exp() * log_probs


def _tame(logits: Tensor) -> Tensor:
    """Logits in float32 at least; what half precision could not hold becomes a large number.

    An infinite logit in half precision is an overflow of a large one. In float32 it is left as it
    is: there it means that the training has diverged, which should show.
    """
    precise = full_precision(logits)
    if precise is logits:
        return logits
    return precise.clamp(-_LARGEST, _LARGEST)
