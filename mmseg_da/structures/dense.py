"""What one forward of a segmentor says, and which segmentors can be asked."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import CascadeEncoderDecoder, EncoderDecoder
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.functional import Box

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


class Part(NamedTuple):
    """Scores that take a share of a head's loss.

    Attributes:
        logits: (N, C, h, w), to be resized to the box.
        weight: The share.
        box: Top, bottom, left and right in pixels of the image that they are about; ``None``: all.
    """

    logits: Tensor
    weight: float = 1.0
    box: Box | None = None


class Dense(NamedTuple):
    """The features and logits of one forward.

    Attributes:
        feats: Output of the backbone (and neck), one tensor (N, C_i, H_i, W_i) per level.
        logits: Per head, scores (N, C, h, w) at the head's own resolution. Keys are named as
            mmseg prefixes its losses: ``decode``, ``aux`` or ``aux_0``, ``aux_1``, ...
        parts: Of a head that is trained on more than its logits, what takes which share of its
            loss, its logits the first.
    """

    feats: tuple[Tensor, ...]
    logits: dict[str, Tensor]
    parts: Mapping[str, tuple[Part, ...]] = MappingProxyType({})

    def parts_of(self, name: str) -> tuple[Part, ...]:
        """What a head's loss is made of: its logits alone, if not said otherwise."""
        return self.parts.get(name) or (Part(self.logits[name]),)

    def detach(self, with_feats: bool) -> 'Dense':
        """Features and logits without their graph; ``with_feats=False`` lets the features go.

        Other parts go too: nobody learns from what has no graph.
        """
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


def dense_forward(
    segmentor: EncoderDecoder, images: Tensor, only: Sequence[str] | None = None
) -> Dense:
    """One training pass of normalised images (N, 3, H, W) through the backbone and the heads.

    A segmentor that trains in another way has a method ``dense`` of its own, which gives the same.

    Args:
        segmentor: The network.
        images: What it sees.
        only: Names of the heads that are asked; all of them, if ``None``.
    """
    if hasattr(segmentor, 'dense'):
        return segmentor.dense(images)
    feats = segmentor.extract_feat(images)
    heads = heads_of(segmentor)
    chosen = heads if only is None else {name: heads[name] for name in only}
    return Dense(tuple(feats), {name: head(feats) for name, head in chosen.items()})


def encoder_images(segmentor: EncoderDecoder, images: Tensor) -> Tensor:
    """The images whose features :func:`dense_forward` gives: a smaller version, for some."""
    return segmentor.context(images) if hasattr(segmentor, 'context') else images


def predict_labels(segmentor: EncoderDecoder, images: Tensor) -> Tensor:
    """Classes (N, H, W) that normalised images (N, 3, H, W) show, without sliding a window."""
    head = segmentor.decode_head
    logits = F.interpolate(
        segmentor(images, mode='tensor'),
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
