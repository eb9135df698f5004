"""What a translation must not change: the classes that a segmentor sees."""

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn
from typing_extensions import Self

from mmseg_da.errors import UserError
from mmseg_da.functional import (
    from_unit_range,
    full_precision,
    normalise,
    prediction_consistency,
)
from mmseg_da.functional.consistency import TARGETS
from mmseg_da.models.weights import load_part
from mmseg_da.registry import MODELS


class SemanticConsistency(nn.Module):
    """Compares a segmentor's view of images before and after translation.

    CyCADA (Hoffman et al., 2018), section 3: the segmentor is trained on the source and frozen.
    Their released code for digits trains it at the same time, on labelled source images, and
    leaves the terms out while it is bad: ``frozen=False, gate=1.0``.

    Args:
        segmentor: Config of any plain mmseg ``EncoderDecoder``.
        data_preprocessor: How it wants its images: ``mean``, ``std`` and ``bgr_to_rgb`` of mmseg's
            preprocessor, whose other arguments may be there.
        checkpoint: A training on the source, for a frozen segmentor.
        weight: Weight of the term in both directions; 0 costs no forward.
        target: What the prediction on the translated image is compared with: see
            :func:`mmseg_da.functional.prediction_consistency`. ``'gt'`` is the source's ground
            truth; in the other direction, which has none, it is ``'hard'``.
        direction: ``'both'``, or ``'source'`` for translated source images alone.
        frozen: The segmentor is given, not trained.
        gate: Leave the term out while the segmentor's last loss is above this.

    Raises:
        UserError: An unknown option, or a gate for a frozen segmentor, which has no loss.
    """

    def __init__(
        self,
        segmentor: dict,
        data_preprocessor: dict,
        checkpoint: str | None = None,
        weight: float = 1.0,
        target: str = 'hard',
        direction: str = 'both',
        frozen: bool = True,
        gate: float | None = None,
    ) -> None:
        super().__init__()
        if target not in TARGETS or direction not in ('both', 'source'):
            raise UserError(
                f'model.semantics: target={target!r} must be one of {list(TARGETS)}, '
                f"direction={direction!r} 'both' or 'source'"
            )
        if frozen and gate is not None:
            raise UserError('model.semantics.gate: a frozen segmentor has no loss to wait for')
        self.to_bgr = not data_preprocessor.get('bgr_to_rgb', False)
        for name in ('mean', 'std'):
            values = torch.tensor(data_preprocessor[name], dtype=torch.float32).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)
        self.segmentor: EncoderDecoder = MODELS.build(segmentor)
        self.register_buffer('last_loss', torch.tensor(float('inf')))
        self.weight, self.target, self.direction = weight, target, direction
        self.frozen, self.gate, self.checkpoint = frozen, gate, checkpoint
        if frozen:
            self.segmentor.requires_grad_(False)

    def init_weights(self) -> None:
        """Initialise the segmentor and, if there is one, read its checkpoint."""
        self.segmentor.init_weights()
        if self.checkpoint is not None:
            load_part(self.segmentor, self.checkpoint, ('segmentor.', ''), 'segmentor')

    def train(self, mode: bool = True) -> Self:
        """A frozen segmentor stays as in inference."""
        return super().train(mode and not self.frozen)

    def covers(self, domain: str) -> bool:
        """Whether translated images of this domain are compared."""
        return self.weight != 0 and (self.direction == 'both' or domain == 'source')

    def consistency(self, real: Tensor, fake: Tensor, domain: str, labels: Tensor | None) -> Tensor:
        """The weighted term for images of a domain and their translation, all in [-1, 1]."""
        target = self.target
        if target == 'gt' and domain != 'source':
            target = 'hard'
        with torch.no_grad():
            original = self.logits(real) if target != 'gt' else real.new_zeros(())
        changed = self.logits(fake)
        loss = self.weight * prediction_consistency(changed, original, target, labels)
        if self.gate is None:
            return loss
        return torch.where(self.last_loss <= self.gate, loss, torch.zeros_like(loss))

    def supervision(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss of a segmentor that is trained along, on labelled source images."""
        loss = F.cross_entropy(full_precision(self.logits(images)), labels, ignore_index=255)
        self.last_loss.copy_(loss.detach())
        all_reduce(self.last_loss, op='mean')  # so that every process opens the gate at once
        return loss

    def logits(self, images: Tensor) -> Tensor:
        """Scores (N, C, H, W) at the size of the images (N, 3, H, W), which are in [-1, 1]."""
        pixels = from_unit_range(images)
        scores = self.segmentor(normalise(pixels, self.mean, self.std, self.to_bgr), mode='tensor')
        return F.interpolate(
            scores,
            images.shape[-2:],
            mode='bilinear',
            align_corners=self.segmentor.decode_head.align_corners,
        )
