"""How far a segmentor changes its mind about an image when the image is changed."""

import torch.nn.functional as F
from torch import Tensor

from mmseg_da.functional.precision import full_precision

TARGETS = ('hard', 'soft', 'kl', 'gt')


def prediction_consistency(
    changed: Tensor, original: Tensor, target: str = 'hard', labels: Tensor | None = None
) -> Tensor:
    """Make the prediction on the changed image that on the original (CyCADA, section 3, eq. 4).

    Args:
        changed: Logits (N, C, H, W) on the changed image; the gradient goes through these.
        original: Logits of the same shape on the original image; taken as constants.
        target: ``'hard'``: cross-entropy with the class that the original scores highest, as in
            the paper. ``'soft'``: with its probabilities. ``'kl'``: the Kullback-Leibler divergence
            from them (MADAN's dynamic consistency). ``'gt'``: cross-entropy with ``labels``.
        labels: Ground truth (N, H, W), 255 where ignored; ``'gt'`` alone reads it.

    Returns:
        Scalar in float32 at least: the mean over pixels (labelled ones with ``'gt'``), for ``'kl'``
        over pixels and classes, as MADAN's code scales it.

    Raises:
        ValueError: ``target`` is none of these, or it is ``'gt'`` without labels.
    """
    log_probs = full_precision(changed).log_softmax(dim=1)
    original = full_precision(original.detach())
    if target == 'hard':
        return F.nll_loss(log_probs, original.argmax(dim=1))
    if target == 'soft':
        return -(original.softmax(dim=1) * log_probs).sum(dim=1).mean()
    if target == 'kl':
        return F.kl_div(log_probs, original.softmax(dim=1), reduction='mean')
    if target == 'gt' and labels is not None:
        labelled = (labels != 255).sum().clamp(min=1)
        return F.nll_loss(log_probs, labels, ignore_index=255, reduction='sum') / labelled
    raise ValueError(f'target must be one of {TARGETS}, with labels for "gt"; got {target!r}')
