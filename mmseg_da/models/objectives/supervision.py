"""What labelled images teach: those of the source, and a few of the target."""

import math
from collections.abc import Sequence

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.models.objectives.base import Objective
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step, View, heads_of, supervised, weights_pixels


@MODELS.register_module()
class SourceSupervision(Objective):
    """The segmentor's own losses on source images, head by head, as its config weights them.

    Alone it is the source-only baseline: the target is never forwarded, so it does not even move
    the batch-norm statistics.

    Args:
        loss_weight: Weight of all of it.
        source_weights: Weight of each source's pixels, by ``source_index``: each pixel's loss is
            multiplied by the weight of its source, and the mean still counts every pixel once.

    Raises:
        UserError: A weight is negative or no number, or the heads' losses cannot weight pixels; in
            training, an image is of a source that has no weight.
    """

    views = ('source',)
    needs_target = False

    def __init__(
        self, loss_weight: float = 1.0, source_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__(loss_weight)
        if source_weights is None:
            self.source_weights = None
            return
        listed = isinstance(source_weights, Sequence) and not isinstance(source_weights, str)
        if not (listed and source_weights and all(_is_weight(each) for each in source_weights)):
            raise UserError(
                f'SourceSupervision: source_weights is {source_weights!r}, but has to be a list of '
                'numbers of 0 or more, one for each source'
            )
        weights = torch.tensor([float(each) for each in source_weights])
        self.register_buffer('source_weights', weights, persistent=False)

    def attach(self, segmentor: EncoderDecoder) -> None:
        """See that every head can weight its pixels, if asked for."""
        for name, head in heads_of(segmentor).items():
            if self.source_weights is not None and not weights_pixels(head):
                raise UserError(
                    f'SourceSupervision: source_weights needs a CrossEntropyLoss of softmax scores, '
                    f'but the {name} head has another loss: leave source_weights out, or change it'
                )

    def losses(self, step: Step) -> dict[str, Tensor]:
        weight = None
        if self.source_weights is not None:
            self._require_weights(step.source)
            weight = self.source_weights[step.source.origins].view(-1, 1, 1)
        return supervised(step.segmentor, step.source, self.loss_weight, weight)

    def _require_weights(self, source: View) -> None:
        last = max(source.origin_numbers)
        if last >= len(self.source_weights):
            raise UserError(
                f'SourceSupervision: source_weights has {len(self.source_weights)} numbers, but an '
                f'image is of source {last}: give one for each source'
            )


@MODELS.register_module()
class LabelledTargetSupervision(Objective):
    """The segmentor's own losses on the few labelled images of the target.

    Semi-supervised adaptation: beside :class:`SourceSupervision` it is mixed fine-tuning,
    ``CE(source) + loss_weight * CE(labelled target)``. Needs ``labelled`` in the training data set.

    Args:
        loss_weight: Weight of all of it.
    """

    views = ('labelled',)
    needs_target = False

    def losses(self, step: Step) -> dict[str, Tensor]:
        return supervised(step.segmentor, step.labelled, self.loss_weight)


def _is_weight(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < math.inf
