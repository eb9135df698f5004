"""The iteration of MinEnt, with what its paper adds and the robust penalty of FDA.

Vu et al., "ADVENT: Adversarial Entropy Minimization for Domain Adaptation in Semantic
Segmentation", CVPR 2019; Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic
Segmentation", CVPR 2020. AdvEnt itself is ``LiteralAdaptSegNet(of='entropy')``.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from literal.adaptsegnet import entropy_of
from literal.source_only import LiteralSourceOnly
from torch import Tensor, nn


class LiteralMinEnt(LiteralSourceOnly):
    """One segmentor, one optimizer: entropy of the target beside cross-entropy of the source.

    Args:
        net: Backbone, ``decode_head`` and, if it has one, ``auxiliary_head``.
        weights: The weight of each level's entropy, ``'aux'`` and ``'decode'``.
        aux_weight: The weight of the auxiliary head's cross-entropy.
        robust: The exponent and the epsilon of FDA's penalty; none, the entropy itself.
        full_size: Whether scores are up-sampled to the image before.
        share: The share of pixels, of the highest entropy, that count; none, all.
        total: Sum over an image's pixels instead of their mean.
        prior: Weight of the class-ratio prior of the main head, ``mu``, and the source's ratios; no
            ratios, those of the labels so far.
        **others: As in :class:`LiteralSourceOnly`.
    """

    def __init__(
        self,
        net: nn.Module,
        weights: dict[str, float],
        aux_weight: float,
        robust: tuple[float, float] | None = None,
        full_size: bool = True,
        share: float | None = None,
        total: bool = False,
        prior: tuple[float, float, Sequence[float] | None] | None = None,
        **others: Any,
    ) -> None:
        super().__init__(net, aux_weight, **others)
        self.weights, self.robust, self.full_size = weights, robust, full_size
        self.share, self.total, self.prior = share, total, prior
        self.labels: list[Tensor] = []

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        self.sgd.zero_grad()
        supervised = self.supervised(self.forward(self.images(batch, 'source')), batch)
        supervised.backward()
        further = self.after_source(batch)

        images = self.images(batch, 'target')
        feats = self.net.backbone(images)
        scores = {name: head(feats) for name, head in self.heads.items()}
        levels = self.weights if self.full_size else ()
        sized = {name: self.resized(scores[name], images) for name in levels}
        entropy = sum(
            weight * self.entropy((scores | sized)[name]) for name, weight in self.weights.items()
        )
        logs = dict(supervised=supervised.item(), entropy=entropy.item()) | further
        if self.prior is not None:
            missing = self.missing(self.resized(scores['decode'], images), batch)
            logs['prior'] = missing.item()
            entropy = entropy + missing
        entropy.backward()
        logs |= self.after_target(batch)
        self.sgd.step()
        return logs

    def after_target(self, batch: dict) -> dict[str, float]:
        """What a method back-propagates after the target; gives its losses."""
        return {}

    def entropy(self, scores: Tensor) -> Tensor:
        """Of one level, over pixels and images."""
        entropy = entropy_of(scores).sum(dim=1)
        if self.share is not None:
            pixels = entropy.flatten(1).sort(dim=1, descending=True).values
            entropy = pixels[:, : round(self.share * pixels.shape[1])]
        if self.robust is not None:
            eta, epsilon = self.robust
            entropy = (entropy**2 + epsilon) ** eta
        return entropy.sum() / len(entropy) if self.total else entropy.mean()

    def missing(self, scores: Tensor, batch: dict) -> Tensor:
        """The class-ratio prior, image by image and class by class."""
        weight, mu, ratios = self.prior
        if ratios is None:
            labels = [each.gt_sem_seg.data for each in batch['source']['data_samples']]
            self.labels.append(torch.cat(labels).flatten())
            seen = torch.cat(self.labels)
            seen = seen[seen != 255]
            ratios = [(seen == c).double().mean().item() for c in range(scores.shape[1])]
        probs = F.softmax(scores, dim=1)
        missing = sum(
            (mu * ratio - image[c].mean()).clamp(min=0)
            for image in probs
            for c, ratio in enumerate(ratios)
        )
        return weight * missing / len(probs)
