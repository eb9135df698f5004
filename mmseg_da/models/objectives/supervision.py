"""What the labelled source teaches."""

from torch import Tensor

from mmseg_da.models.objectives.base import Objective
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step, heads_of


@MODELS.register_module()
class SourceSupervision(Objective):
    """The segmentor's own losses on source images, head by head, as its config weights them.

    Alone it is the source-only baseline: the target is never forwarded, so it does not even move
    the batch-norm statistics.
    """

    views = ('source',)

    def losses(self, step: Step) -> dict[str, Tensor]:
        losses = {}
        for name, head in heads_of(step.segmentor).items():
            own = head.loss_by_feat(step.source.dense.logits[name], step.source.samples)
            for key, value in own.items():
                weight = self.loss_weight if 'loss' in key else 1.0
                losses[f'{name}.{key}'] = weight * value
        return losses
