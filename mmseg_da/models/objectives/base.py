"""One term of the criterion."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.structures import Step, heads_of


class Objective(BaseModule):
    """One term of the criterion: losses for the segmentor and, with a rival, for the rival too.

    A method is a named dict of objectives. An objective knows no device, no rank and no optimizer;
    whatever must survive a resume is a parameter or a buffer of it.

    Args:
        loss_weight: Weight of the segmentor's losses.

    Attributes:
        views: What it back-propagates through: any of ``'source'``, ``'target'`` and
            ``'labelled'``, the labelled target images if a training has some. Objectives that share
            a view are computed in one stage, with one backward; the default is right for every
            objective, a shorter list saves memory.
        needs_teacher: It learns from ``step.teaching``; the model has to have a teacher.
        joins_domains: It changes or mixes images of the source by how the target's are normalised.
        needs_target: It looks at target images in some way. Where none does, they are not prepared.
        rival_sees_feats: Its discriminator looks at features, not only at logits.
        discriminator: The rival, trained by an optimizer of its own; ``None`` without one.
        judges_apart: Its ``discriminator_losses`` takes ``domains``, the names of those that the
            rival judges in this call, so that they can be back-propagated one after the other.
    """

    views: Sequence[str] = ('source', 'target')
    needs_teacher: bool = False
    joins_domains: bool = False
    needs_target: bool = True
    rival_sees_feats: bool = False
    judges_apart: bool = False

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.discriminator: nn.Module | None = None

    def attach(self, segmentor: EncoderDecoder) -> None:
        """Called once, when the segmentor is built: check names, build what depends on it."""

    def name_classes(self, classes: Sequence[str]) -> None:
        """Called before a training with the names of the classes that the segmentor learns."""

    def losses(self, step: Step) -> dict[str, Tensor]:
        """The segmentor's losses, weighted. Keys that contain ``loss`` are summed."""
        raise NotImplementedError

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """The rival's losses, on detached outputs only."""
        raise NotImplementedError


def require_head(segmentor: EncoderDecoder, name: str, objective: str) -> BaseDecodeHead:
    """One head of a segmentor, for an objective of this type.

    Raises:
        UserError: The segmentor has no head of this name; names those that it has.
    """
    heads = heads_of(segmentor)
    if name not in heads:
        raise UserError(f'{objective}: the segmentor has no head {name!r}, only {sorted(heads)}')
    return heads[name]


def require_classes(segmentor: EncoderDecoder, name: str, objective: str) -> BaseDecodeHead:
    """The same for an objective that needs a distribution over classes.

    Raises:
        UserError: As :func:`require_head`, or the head has one channel.
    """
    head = require_head(segmentor, name, objective)
    if head.out_channels == 1:
        raise UserError(
            f'{objective} needs two channels or more, but the {name} head has one (a sigmoid): set '
            'its out_channels=2'
        )
    return head
