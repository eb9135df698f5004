"""What labelled images teach: those of the source, and a few of the target."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.functional import cut, pixel_accuracy
from mmseg_da.models.objectives.base import Objective
from mmseg_da.registry import MODELS
from mmseg_da.structures import Part, Step, View, heads_of


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
            if self.source_weights is not None and not _weights_pixels(head):
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


def supervised(
    segmentor: EncoderDecoder, view: View, loss_weight: float, weight: Tensor | None = None
) -> dict[str, Tensor]:
    """The losses of every head on a view with labels, and their accuracies.

    Args:
        segmentor: The segmentor.
        view: Its outputs and labels.
        loss_weight: Of every loss.
        weight: Of the pixels, broadcast over (N, H, W).
    """
    losses: dict[str, Tensor] = {}
    for name, head in heads_of(segmentor).items():
        for part in view.dense.parts_of(name):
            for key, value in _losses_of(head, part, view, weight).items():
                key = f'{name}.{key}'
                if 'loss' in key:
                    losses[key] = losses.get(key, 0.0) + loss_weight * part.weight * value
                else:
                    losses.setdefault(key, value)  # the accuracy of the whole, the first part
    return losses


def _losses_of(
    head: BaseDecodeHead, part: Part, view: View, pixels: Tensor | None
) -> dict[str, Tensor]:
    """What ``head.loss_by_feat`` gives on a part, without waiting for the device and faster.

    mmseg's accuracy sorts the scores of each pixel: in a small network that is a fifth of the
    iteration on a CPU (benchmarks/step_time.py).
    """
    if not _is_ordinary(head):
        return head.loss_by_feat(part.logits, [_cut_sample(each, part) for each in view.samples])
    labels = cut(view.labels, part.box)
    scores = F.interpolate(
        part.logits, labels.shape[-2:], mode='bilinear', align_corners=head.align_corners
    )
    weight = None if head.sampler is None else head.sampler.sample(scores, labels.unsqueeze(1))
    if pixels is not None:
        weight = pixels if weight is None else pixels * weight
    losses: dict[str, Tensor] = {}
    for each in _terms(head):
        count = _count(each, labels, head.ignore_index)
        loss = each(scores, labels, weight=weight, ignore_index=head.ignore_index, **count)
        losses[each.loss_name] = losses.get(each.loss_name, 0.0) + loss
    return losses | dict(acc_seg=pixel_accuracy(scores, labels, head.ignore_index))


def _cut_sample(sample: SegDataSample, part: Part) -> SegDataSample:
    """The labels of a part of an image."""
    if part.box is None:
        return sample
    return SegDataSample(gt_sem_seg=PixelData(data=cut(sample.gt_sem_seg.data, part.box)))


def _is_ordinary(head: BaseDecodeHead) -> bool:
    return type(head).loss_by_feat is BaseDecodeHead.loss_by_feat and head.out_channels > 1


def _terms(head: BaseDecodeHead) -> list[nn.Module]:
    several = isinstance(head.loss_decode, nn.ModuleList)
    return list(head.loss_decode) if several else [head.loss_decode]


def _is_plain(loss: nn.Module) -> bool:
    return type(loss) is CrossEntropyLoss and not (loss.use_sigmoid or loss.use_mask)


def _weights_pixels(head: BaseDecodeHead) -> bool:
    return _is_ordinary(head) and all(_is_plain(each) for each in _terms(head))


def _is_weight(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < math.inf


def _count(loss: nn.Module, labels: Tensor, ignore: int) -> dict[str, Tensor]:
    """The number of labelled pixels, for the loss that would else read it from the device."""
    if (
        _is_plain(loss)
        and loss.avg_non_ignore
        and loss.reduction == 'mean'
        and loss.class_weight is None
    ):
        return dict(avg_factor=(labels != ignore).sum())
    return {}
