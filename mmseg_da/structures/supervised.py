"""What labels teach a segmentor: the losses of its own heads on a view."""

import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_da.functional import cut, pixel_accuracy
from mmseg_da.structures.dense import Part, heads_of
from mmseg_da.structures.step import View


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
        name = str(each.loss_name)
        losses[name] = losses.get(name, 0.0) + loss
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


def weights_pixels(head: BaseDecodeHead) -> bool:
    """Whether the losses of a head can weight pixels, as ``supervised`` asks of them."""
    return _is_ordinary(head) and all(_is_plain(each) for each in _terms(head))


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
