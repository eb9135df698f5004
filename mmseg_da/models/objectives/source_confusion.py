"""Make the outputs on several sources alike."""

from typing import Any

from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import confusion_loss, origin_loss
from mmseg_da.models.objectives.alignment import OutputAlignment
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step


@MODELS.register_module()
class SourceConfusion(OutputAlignment):
    """Adversarial aggregation of the sources: a rival names the source, the segmentor hides it.

    The aim of MADAN's sub-domain aggregation (Zhao et al., 2019, section 3.2), which there compares
    translated images while generators are trained; here it compares a segmentor's output or
    features on them. The segmentor's loss is ``loss_weight`` times the cross-entropy of the rival's
    verdict with the uniform distribution (Tzeng et al., 2015), the rival's the
    cross-entropy with the true source, on detached outputs. The target plays no part.

    Args:
        discriminator: Config of the rival, with as many ``outputs`` as there are sources;
            ``in_channels`` is filled in for scores.
        of: ``'logits'``, or what else ``OutputAlignment`` takes.
        loss_weight: Weight of the segmentor's loss; the rival's is not weighted.
        **others: ``head``, ``level`` and ``resize`` as ``OutputAlignment``.

    Raises:
        UserError: As ``OutputAlignment``; in training, the rival has not an output for each source.
    """

    views = ('source',)
    needs_target = False

    def __init__(
        self, discriminator: dict, of: str = 'logits', loss_weight: float = 0.1, **others: Any
    ) -> None:
        if 'kind' in others:
            raise UserError(
                'SourceConfusion: kind has no effect, its rival names sources: leave it out'
            )
        super().__init__(discriminator, of=of, loss_weight=loss_weight, **others)

    def losses(self, step: Step) -> dict[str, Tensor]:
        seen = self._seen(step.source, step.source.dense)
        step.source.derived[self] = seen.detach()
        verdict = self._verdict(seen)
        self._require_outputs(verdict.shape[1], step.source.origin_numbers)
        return dict(loss_confusion=self.loss_weight * confusion_loss(verdict))

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        verdict = self._verdict_on_values(step.source)
        self._require_outputs(verdict.shape[1], step.source.origin_numbers)
        return dict(loss_origin=origin_loss(verdict, step.source.origins))

    def _require_outputs(self, outputs: int, origins: list[int]) -> None:
        if outputs < 2 or outputs <= max(origins):
            raise UserError(
                f'SourceConfusion: its discriminator has {outputs} outputs, but an image is of source '
                f"{max(origins)}: set discriminator=dict(type='PointwiseDiscriminator', outputs=...) "
                'to the number of sources, two or more'
            )
