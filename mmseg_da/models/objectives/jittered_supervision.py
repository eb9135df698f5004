"""Learn from labelled source images that are jittered on the device."""

from typing import Any

from torch import Tensor

from mmseg_da.models.objectives.taught import IGNORE, TaughtObjective
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step


@MODELS.register_module()
class JitteredSupervision(TaughtObjective):
    """Cross-entropy on jittered source images, where other terms mix the images as they are.

    In place of :class:`SourceSupervision`: VFM-UDA (Englert et al., CVPRW 2024), as released. The
    mean is over the labelled pixels of each process.

    Args:
        **taught: As in :class:`~mmseg_da.models.objectives.taught.TaughtObjective`, of which jitter,
            blur and heads count.
    """

    needs_teacher = False
    needs_target = False
    joins_domains = True  # as jitter takes pixels to be normalised as the target's are
    views = ('jittered',)
    salt = 3

    def __init__(self, **taught: Any) -> None:
        own = dict(jitter=[32 / 255, 0.5, 0.5, 18 / 360], jitter_prob=0.9, blur_prob=0.0)
        super().__init__(**own | dict(photometric=True, each_image=True) | taught)

    def losses(self, step: Step) -> dict[str, Tensor]:
        images = self.augmented(step, step.source.images, self.draws.next())
        labels = self.source_labels(step)
        labelled = (labels != IGNORE).to(images.dtype)
        # The mean of the loss is over all pixels: this makes it one over those that count.
        weights = labelled * (labels.numel() / labelled.sum().clamp(min=1))
        return self.cross_entropy(step, images, labels, weights)
