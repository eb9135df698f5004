"""Make the segmentor certain about the target."""

import math

from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import entropy_map, highest, robust_entropy, upsampled_scores
from mmseg_da.models.objectives.base import Objective, require_classes
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step


@MODELS.register_module()
class TargetEntropy(Objective):
    """Minimise the entropy of one head's prediction on target images.

    By default it is MinEnt (Vu et al., "ADVENT", CVPR 2019, section 3.1): the entropy of the
    classes at each pixel, in [0, 1], at image size, averaged over pixels. With
    ``penalty='charbonnier', resize=None, loss_weight=5e-3`` it is the robust entropy of FDA (Yang
    and Soatto, CVPR 2020, section 3), on the scores as the head gives them.

    Args:
        head: Which head: ``'decode'``, ``'aux'``, ``'aux_0'``, ...
        penalty: ``'charbonnier'`` averages ``(E ** 2 + epsilon) ** eta`` instead of ``E``, so that
            pixels of high entropy weigh more.
        eta: Of the penalty, positive.
        epsilon: Of the penalty, positive.
        resize: ``'image'`` up-samples the scores to the image before, ``None`` leaves them.
        share: Take only this share of pixels, those of the highest entropy: ADVENT's entropy
            ranking, 0.3 there. They are chosen in each image by itself, so that several processes
            choose as one does.
        reduction: ``'mean'`` over pixels, which the released code's weights belong to, or the
            ``'sum'`` over an image's pixels, as the paper writes it; the mean over images in both.
        loss_weight: Weight of the loss.

    Raises:
        UserError: An option is out of its range, or the segmentor has no such head or one with a
            single channel.
    """

    views = ('target',)

    def __init__(
        self,
        head: str = 'decode',
        penalty: str | None = None,
        eta: float = 2.0,
        epsilon: float = 1e-8,
        resize: str | None = 'image',
        share: float | None = None,
        reduction: str = 'mean',
        loss_weight: float = 1e-3,
    ) -> None:
        super().__init__(loss_weight)
        for name, value, known in (
            ('penalty', penalty, (None, 'charbonnier')),
            ('resize', resize, ('image', None)),
            ('reduction', reduction, ('mean', 'sum')),
        ):
            if value not in known:
                raise UserError(f'TargetEntropy: {name}={value!r} is none of {list(known)}')
        for name, value in (('eta', eta), ('epsilon', epsilon)):
            if not 0 < value < math.inf:
                raise UserError(f'TargetEntropy: {name}={value!r} must be positive')
        if share is not None and not 0 < share <= 1:
            raise UserError(f'TargetEntropy: share={share!r} must be in (0, 1], or None for all')
        self.head, self.penalty, self.eta, self.epsilon = head, penalty, eta, epsilon
        self.resize, self.share, self.reduction = resize, share, reduction

    def attach(self, segmentor: EncoderDecoder) -> None:
        """Look for the head."""
        self.align_corners = require_classes(segmentor, self.head, 'TargetEntropy').align_corners

    def losses(self, step: Step) -> dict[str, Tensor]:
        logits = step.target.dense.logits[self.head]
        if self.resize == 'image':
            size = step.target.images.shape[-2:]
            logits = upsampled_scores(logits, size, self.align_corners)
        entropy = entropy_map(logits)
        if self.share is not None:
            entropy = highest(entropy, self.share)
        if self.penalty == 'charbonnier':
            entropy = robust_entropy(entropy, self.eta, self.epsilon)
        total = entropy.mean() if self.reduction == 'mean' else entropy.sum() / len(entropy)
        return dict(loss_ent=self.loss_weight * total)
