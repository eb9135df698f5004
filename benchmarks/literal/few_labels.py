"""Adaptation with a few labelled target images: mixed fine-tuning beside a term for the others."""

from typing import Any

from literal.adaptsegnet import LiteralAdaptSegNet
from literal.minent import LiteralMinEnt
from literal.source_only import LiteralSourceOnly


class _WithLabels:
    """Adds the cross-entropy of labelled target images to an iteration.

    ``CE(source) + weight * CE(labelled target) + term(target)``; each of the three has a forward of
    its own, in this order.

    Args:
        labelled_weight: Of the labelled target images' cross-entropy.
    """

    def __init__(self, *args: Any, labelled_weight: float = 1.0, **others: Any) -> None:
        super().__init__(*args, **others)
        self.labelled_weight = labelled_weight

    def after_source(self, batch: dict) -> dict[str, float]:
        outputs = self.forward(self.images(batch, 'labelled'))
        loss = self.labelled_weight * self.supervised(outputs, batch, 'labelled')
        loss.backward()
        return dict(labelled=loss.item())


class LiteralFewLabels(_WithLabels, LiteralAdaptSegNet):
    """With AdaptSegNet or AdvEnt on the other target images."""


class LiteralFewLabelsMinEnt(_WithLabels, LiteralMinEnt):
    """With MinEnt on the other target images."""


class LiteralMixedFineTuning(_WithLabels, LiteralSourceOnly):
    """With nothing on the other target images."""
