"""The iteration of AdaptSegNet.

Tsai et al., "Learning to Adapt Structured Output Space for Semantic Segmentation", CVPR 2018, with
the representation of Vu et al. (ADVENT, CVPR 2019) as a choice.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from literal.source_only import LiteralSourceOnly
from torch import Tensor, nn


def entropy_of(logits: Tensor) -> Tensor:
    """ADVENT's weighted self-information, as its released code writes it."""
    probs = F.softmax(logits, dim=1)
    return -probs * torch.log2(probs + 1e-30) / math.log2(probs.shape[1])


REPRESENTATIONS = dict(
    softmax=lambda logits: F.softmax(logits, dim=1),
    logits=lambda logits: logits,
    entropy=entropy_of,
)


def bce(verdict: Tensor, label: float) -> Tensor:
    """Binary cross-entropy of a sigmoid, spelled out."""
    return -(label * F.logsigmoid(verdict) + (1 - label) * F.logsigmoid(-verdict)).mean()


def squares(verdict: Tensor, label: float) -> Tensor:
    """LS-GAN's loss."""
    return ((verdict - label) ** 2).mean()


class LiteralAdaptSegNet(LiteralSourceOnly):
    """One segmentor, one discriminator per level, an optimizer each.

    Args:
        net: Backbone, ``decode_head`` and, if it has one, ``auxiliary_head``.
        rivals: The discriminator of each level by name, ``'aux'`` and ``'decode'``.
        weights: The weight of each level's adversarial loss.
        aux_weight: The weight of the auxiliary head's cross-entropy.
        of: A representation, or ``'features'``: the backbone's last, not up-sampled.
        lsgan: Squared error instead of cross-entropy.
        **others: As in :class:`LiteralSourceOnly`.
    """

    def __init__(
        self,
        net: nn.Module,
        rivals: dict[str, nn.Module],
        weights: dict[str, float],
        aux_weight: float,
        of: str = 'softmax',
        lsgan: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(net, aux_weight, **others)
        self.rivals, self.weights = rivals, weights
        self.of, self.loss = of, squares if lsgan else bce
        self.adams = {
            name: torch.optim.Adam(rival.parameters(), lr=1e-3, betas=(0.9, 0.99))
            for name, rival in rivals.items()
        }

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        for optimizer in (self.sgd, *self.adams.values()):
            optimizer.zero_grad()

        for rival in self.rivals.values():
            rival.requires_grad_(False)
        outputs = self.forward(self.images(batch, 'source'))
        supervised = self.supervised(outputs, batch)
        supervised.backward()
        seen_source = self.seen({name: each.detach() for name, each in outputs.items()})
        del outputs
        further = self.after_source(batch)

        levels = () if self.of == 'features' else self.rivals
        seen_target = self.seen(self.forward(self.images(batch, 'target'), levels))
        fooling = sum(
            self.weights[name] * self.loss(rival(seen_target[name]), 0.0)
            for name, rival in self.rivals.items()
        )
        fooling.backward()
        further |= self.after_target(batch)

        logs = dict(supervised=supervised.item(), fooling=fooling.item()) | further
        for name, rival in self.rivals.items():
            rival.requires_grad_(True)
            judged_source = self.loss(rival(seen_source[name]), 0.0) / 2
            judged_source.backward()
            judged_target = self.loss(rival(seen_target[name].detach()), 1.0) / 2
            judged_target.backward()
            logs[f'rival {name}'] = judged_source.item() + judged_target.item()

        for optimizer in (self.sgd, *self.adams.values()):
            optimizer.step()
        return logs

    def after_target(self, batch: dict) -> dict[str, float]:
        """What a method back-propagates after the target; gives its losses."""
        return {}

    def seen(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """What each rival looks at."""
        if self.of == 'features':
            return dict.fromkeys(self.rivals, outputs['features'])
        return {name: REPRESENTATIONS[self.of](outputs[name]) for name in self.rivals}
