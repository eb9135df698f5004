"""The adversarial domain loss, with its label convention written once.

Nobody else in the package types 0 or 1 for a domain.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_da.functional.precision import full_precision

SOURCE, TARGET = 0.0, 1.0
"""Domain labels: the released AdaptSegNet and ADVENT code call the source 0 and the target 1."""

KINDS = ('vanilla', 'lsgan')


def domain_loss(verdict: Tensor, looks_like: float, kind: str = 'vanilla') -> Tensor:
    """How far a discriminator's verdict is from calling everything one domain.

    Args:
        verdict: Raw scores of a discriminator, any shape, no sigmoid applied.
        looks_like: The domain that the verdict should name, ``SOURCE`` or ``TARGET``.
        kind: ``'vanilla'`` is binary cross-entropy on logits (Goodfellow et al., 2014), ``'lsgan'``
            the squared error of the raw scores (Mao et al., 2017).

    Returns:
        Scalar, the mean over all scores, in float32 at least: half precision loses small losses.

    Raises:
        ValueError: ``kind`` is neither of the two.
    """
    verdict = full_precision(verdict)
    label = torch.full_like(verdict, looks_like)
    if kind == 'vanilla':
        return F.binary_cross_entropy_with_logits(verdict, label)
    if kind == 'lsgan':
        return F.mse_loss(verdict, label)
    raise ValueError(f'kind must be one of {KINDS}, got {kind!r}')
