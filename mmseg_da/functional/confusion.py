"""Several sources that shall look like one: whose is it, and nobody can tell."""

import torch.nn.functional as F
from torch import Tensor

from mmseg_da.functional.precision import full_precision


def origin_loss(verdict: Tensor, origins: Tensor) -> Tensor:
    """How far a verdict is from naming the source of each image.

    Args:
        verdict: Raw scores of K sources (N, K, H, W).
        origins: The source of each image, (N,) long, 0 to K - 1.

    Returns:
        Scalar, the mean cross-entropy over all pixels, in float32 at least.
    """
    named = origins.view(-1, 1, 1).expand(-1, *verdict.shape[-2:])
    return F.cross_entropy(full_precision(verdict), named)


def confusion_loss(verdict: Tensor) -> Tensor:
    """How far a verdict is from calling every source equally likely.

    The domain confusion of Tzeng et al., "Simultaneous Deep Transfer Across Domains and Tasks", ICCV
    2015: the cross-entropy with the uniform distribution, which is least, log K, where the K scores
    are equal.

    Args:
        verdict: Raw scores of K sources (N, K, H, W).

    Returns:
        Scalar, the mean over all pixels, in float32 at least.
    """
    return -F.log_softmax(full_precision(verdict), dim=1).mean()
