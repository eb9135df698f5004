"""The adversarial domain loss, with its label convention written once.

Nobody else in the package types 0 or 1 for a domain.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_da.functional.precision import full_precision

SOURCE, TARGET = 0.0, 1.0
"""Domain labels: the released AdaptSegNet and ADVENT code call the source 0 and the target 1."""
DOMAIN_LABELS = dict(source=SOURCE, target=TARGET)

REAL, FAKE = 1.0, 0.0
"""What a discriminator of images should call real images and generated ones (CycleGAN)."""

KINDS = ('vanilla', 'lsgan', 'two_way')


def domain_loss(verdict: Tensor, looks_like: float, kind: str = 'vanilla') -> Tensor:
    """How far a discriminator's verdict is from calling everything one domain.

    Args:
        verdict: Raw scores of a discriminator, any shape, no sigmoid applied.
        looks_like: What the verdict should name: ``SOURCE`` or ``TARGET``, ``REAL`` or ``FAKE``.
        kind: ``'vanilla'`` is binary cross-entropy on logits (Goodfellow et al., 2014), ``'lsgan'``
            the squared error of the raw scores (Mao et al., 2017). ``'two_way'`` is cross-entropy
            over two channels (N, 2, H, W), of which the second means source, as CyCADA's released
            code counts them.

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
    if kind == 'two_way':
        return F.cross_entropy(verdict, torch.full_like(verdict[:, 0], _two_way(looks_like)).long())
    raise ValueError(f'kind must be one of {KINDS}, got {kind!r}')


def domain_accuracy(verdict: Tensor, domain: float, kind: str = 'vanilla') -> Tensor:
    """The share of a discriminator's verdicts that name this domain, in [0, 1], without gradient.

    Args:
        verdict: As in :func:`domain_loss`.
        domain: ``SOURCE`` or ``TARGET``, what it really is.
        kind: As in :func:`domain_loss`.
    """
    if kind == 'two_way':
        return (verdict.argmax(dim=1) == _two_way(domain)).float().mean()
    middle = 0.0 if kind == 'vanilla' else 0.5
    return ((verdict > middle) == (domain == TARGET)).float().mean()


def _two_way(domain: float) -> int:
    """The channel of a domain in a verdict of two channels."""
    return 1 if domain == SOURCE else 0
