"""What a segmentor's logits say about its certainty."""

import math

from torch import Tensor

from mmseg_da.functional.precision import full_precision


def softmax_map(logits: Tensor) -> Tensor:
    """Class probabilities (N, C, H, W) of logits (N, C, H, W), in float32 at least."""
    return full_precision(logits).softmax(dim=1)


def self_information_map(logits: Tensor) -> Tensor:
    """Weighted self-information of each class at each pixel (ADVENT, section 3.2, equation 4).

    Args:
        logits: Scores of a segmentor (N, C, H, W), C > 1.

    Returns:
        ``-P * log2(P) / log2(C)`` (N, C, H, W) in float32 at least, in [0, 0.5308 / log2(C)].
        Its sum over the classes is the pixel's entropy, in [0, 1]. Taken from the logarithm of the
        softmax, so it is finite for every finite logit, 0 where P is 0.
    """
    log_probs = full_precision(logits).log_softmax(dim=1)
    return -log_probs.exp() * log_probs / math.log(logits.shape[1])
