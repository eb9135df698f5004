"""What one forward of a segmentor says, and which segmentors can be asked."""

from typing import NamedTuple

import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import CascadeEncoderDecoder, EncoderDecoder
from torch import Tensor, nn

from mmseg_da.errors import UserError

_UNFIT_HEADS = {
    'DAHead': 'it returns three maps in training',
    'DDRHead': 'it returns two maps in training',
    'EncHead': 'it returns a scene encoding beside the logits',
    'IterativeDecodeHead': 'it returns one map per stage',
    'MaskFormerHead': 'it classifies masks, not pixels',
    'Mask2FormerHead': 'it classifies masks, not pixels',
    'PIDHead': 'it returns three maps in training',
    'SideAdapterCLIPHead': 'it classifies masks, not pixels',
    'VPDDepthHead': 'it predicts depth',
}


class Dense(NamedTuple):
    """The features and logits of one forward.

    Attributes:
        feats: Output of the backbone (and neck), one tensor (N, C_i, H_i, W_i) per level.
        logits: Per head, scores (N, C, h, w) at the head's own resolution. Keys are named as
            mmseg prefixes its losses: ``decode``, ``aux`` or ``aux_0``, ``aux_1``, ...
    """

    feats: tuple[Tensor, ...]
    logits: dict[str, Tensor]

    def detach(self, with_feats: bool) -> 'Dense':
        """The same values without their graph; ``with_feats=False`` lets the features go."""
        feats = tuple(x.detach() for x in self.feats) if with_feats else ()
        return Dense(feats, {name: x.detach() for name, x in self.logits.items()})


def heads_of(segmentor: EncoderDecoder) -> dict[str, BaseDecodeHead]:
    """The decode head and the auxiliary heads of a segmentor, by the names mmseg logs."""
    heads = {'decode': segmentor.decode_head}
    if segmentor.with_auxiliary_head:
        auxiliary = segmentor.auxiliary_head
        if isinstance(auxiliary, nn.ModuleList):
            heads.update({f'aux_{i}': head for i, head in enumerate(auxiliary)})
        else:
            heads['aux'] = auxiliary
    return heads


def dense_forward(segmentor: EncoderDecoder, images: Tensor) -> Dense:
    """One pass of normalised images (N, 3, H, W) through the backbone and every head."""
    feats = segmentor.extract_feat(images)
    return Dense(tuple(feats), {name: head(feats) for name, head in heads_of(segmentor).items()})


def predict_labels(segmentor: EncoderDecoder, images: Tensor) -> Tensor:
    """Classes (N, H, W) that normalised images (N, 3, H, W) show, without sliding a window."""
    head = segmentor.decode_head
    logits = F.interpolate(
        head(segmentor.extract_feat(images)),
        images.shape[-2:],
        mode='bilinear',
        align_corners=head.align_corners,
    )
    if logits.shape[1] == 1:  # mmseg's binary head
        return (logits.sigmoid() > head.threshold).squeeze(1).long()
    return logits.argmax(dim=1)


def require_dense(segmentor: nn.Module) -> None:
    """Refuse a segmentor that :func:`dense_forward` cannot ask.

    It needs an ``EncoderDecoder`` whose heads give one map of logits and take their loss from it.

    Raises:
        UserError: The segmentor or one of its heads is of another kind; names it and says why.
    """
    kind = type(segmentor).__name__
    if isinstance(segmentor, CascadeEncoderDecoder):
        raise UserError(
            f'model.segmentor: {kind} refines its output in a cascade of heads (PointRend, OCR); '
            'domain adaptation needs one map of logits per head. Use an EncoderDecoder.'
        )
    if not isinstance(segmentor, EncoderDecoder):
        raise UserError(
            f'model.segmentor: {kind} is not an EncoderDecoder. Use a segmentor of that type, such '
            'as DeepLab, PSPNet, UPerNet or SegFormer.'
        )
    for name, head in heads_of(segmentor).items():
        reason = _why_unfit(head)
        if reason:
            raise UserError(
                f'model.segmentor: the {name} head {type(head).__name__} does not fit, because '
                f'{reason}; domain adaptation needs one map of logits per head. Use another head.'
            )


def _why_unfit(head: nn.Module) -> str | None:
    for kind in type(head).__mro__:
        if kind.__name__ in _UNFIT_HEADS:
            return _UNFIT_HEADS[kind.__name__]
    if not isinstance(head, BaseDecodeHead):
        return 'it is not a BaseDecodeHead'
    if type(head).loss is not BaseDecodeHead.loss:
        return 'it computes its loss from more than its logits'
    return None
