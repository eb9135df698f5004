"""Keep the target's predictions from forgetting classes that the source has."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import softmax_map, upsampled_scores
from mmseg_da.models.objectives.base import Objective, require_classes
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step, View


@MODELS.register_module()
class ClassPrior(Objective):
    """Penalise classes that target predictions have less of than the source's labels.

    ``sum_c max(0, mu * p_source(c) - mean over pixels of P_target(c))`` for each target image, and
    the mean of that over images (Vu et al., "ADVENT", CVPR 2019, section 3.3). It is in the paper
    only; the released code has no such term.

    Args:
        mu: How much of the source's share a class should have at least, in (0, 1].
        prior: The source's share of each class, summing to 1. ``None`` counts them in the labels of
            the source images seen so far, of all processes; the counts are in the checkpoint.
        head: Which head: ``'decode'``, ``'aux'``, ``'aux_0'``, ...
        loss_weight: Weight of the loss.

    Attributes:
        counts: Labelled source pixels of each class (C,), where there is no ``prior``.

    Raises:
        UserError: ``mu`` is out of its range, ``prior`` is no distribution over the head's classes,
            or the segmentor has no such head or one with a single channel.
    """

    views = ('target',)

    def __init__(
        self,
        mu: float = 0.5,
        prior: Sequence[float] | None = None,
        head: str = 'decode',
        loss_weight: float = 1e-3,
    ) -> None:
        super().__init__(loss_weight)
        if not 0 < mu <= 1:
            raise UserError(f'ClassPrior: mu={mu!r} must be in (0, 1]')
        if prior is not None and not _are_numbers(prior):
            raise UserError(
                f'ClassPrior: prior={prior!r} must be a list of numbers, the share of each class; None '
                'counts them'
            )
        if prior is not None and (
            min(prior, default=-1) < 0 or not math.isclose(sum(prior), 1, abs_tol=1e-3)
        ):
            raise UserError(
                f'ClassPrior: prior={list(prior)} must be shares of the classes that sum to 1, not to '
                f'{sum(prior):g}; None counts them'
            )
        self.mu, self.head, self.given = mu, head, prior

    def attach(self, segmentor: EncoderDecoder) -> None:
        """Look for the head, and see that the prior fits it."""
        head = require_classes(segmentor, self.head, 'ClassPrior')
        classes, self.align_corners = head.out_channels, head.align_corners
        if self.given is None:
            self.register_buffer('counts', torch.zeros(classes, dtype=torch.long))
            return
        if len(self.given) != classes:
            raise UserError(
                f'ClassPrior: prior has {len(self.given)} shares, but the {self.head} head has '
                f'{classes} classes'
            )
        prior = torch.tensor(self.given, dtype=torch.float)
        self.register_buffer('prior', prior, persistent=False)

    def losses(self, step: Step) -> dict[str, Tensor]:
        size = step.target.images.shape[-2:]
        logits = upsampled_scores(step.target.dense.logits[self.head], size, self.align_corners)
        found = softmax_map(logits).mean(dim=(2, 3))
        short = (self.mu * self._prior(step).to(found) - found).clamp(min=0)
        return dict(loss_prior=self.loss_weight * short.sum(dim=1).mean())

    @torch.no_grad()
    def _prior(self, step: Step) -> Tensor:
        """The source's share of each class (C,)."""
        if self.given is not None:
            return self.prior
        seen = _counted(step.source, len(self.counts))
        all_reduce(seen)  # every process holds the same counts
        self.counts += seen
        return self.counts / self.counts.sum().clamp(min=1)


def _are_numbers(prior: Any) -> bool:
    return isinstance(prior, list | tuple) and all(
        isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each)
        for each in prior
    )


def _counted(source: View, classes: int) -> Tensor:
    """Pixels of each class in the labels; those that are no class, such as 255, are left out."""
    counts = source.images.new_zeros(classes + 1, dtype=torch.long)
    for sample in source.samples:
        labels = sample.gt_sem_seg.data.flatten().clamp(max=classes)
        # Not bincount, which waits for the device: the length of what it gives depends on values.
        counts.scatter_add_(0, labels, torch.ones_like(labels))
    return counts[:-1]
