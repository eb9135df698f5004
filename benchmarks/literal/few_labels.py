"""Adaptation with a few labelled target images: mixed fine-tuning beside an adversarial term."""

from typing import Any

from literal.adaptsegnet import LiteralAdaptSegNet
from torch import Tensor, nn


class LiteralFewLabels(LiteralAdaptSegNet):
    """Cross-entropy of source and labelled target images, AdaptSegNet or AdvEnt on the others.

    ``CE(source) + weight * CE(labelled target) + sum_i weights_i * fooling_i(target)``; each of the
    three has a forward of its own, in this order.

    Args:
        net: As in :class:`LiteralAdaptSegNet`, like the next two.
        rivals: The same; none leaves the adversarial term out.
        weights: The same.
        labelled_weight: Of the labelled target images' cross-entropy.
        **others: As in :class:`LiteralAdaptSegNet`.
    """

    def __init__(
        self,
        net: nn.Module,
        rivals: dict[str, nn.Module],
        weights: dict[str, float],
        labelled_weight: float = 1.0,
        **others: Any,
    ) -> None:
        super().__init__(net, rivals, weights, **others)
        self.labelled_weight = labelled_weight

    def after_source(self, batch: dict) -> dict[str, float]:
        outputs = self.forward(self.images(batch, 'labelled'))
        loss: Tensor = self.labelled_weight * self.supervised(outputs, batch, 'labelled')
        loss.backward()
        return dict(labelled=loss.item())
