"""What the labelled source teaches."""

import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from torch import Tensor, nn

from mmseg_da.functional import pixel_accuracy
from mmseg_da.models.objectives.base import Objective
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step, View, heads_of


@MODELS.register_module()
class SourceSupervision(Objective):
    """The segmentor's own losses on source images, head by head, as its config weights them.

    Alone it is the source-only baseline: the target is never forwarded, so it does not even move
    the batch-norm statistics.
    """

    views = ('source',)
    needs_target = False

    def losses(self, step: Step) -> dict[str, Tensor]:
        losses = {}
        for name, head in heads_of(step.segmentor).items():
            own = _losses_of(head, step.source.dense.logits[name], step.source)
            for key, value in own.items():
                weight = self.loss_weight if 'loss' in key else 1.0
                losses[f'{name}.{key}'] = weight * value
        return losses


def _losses_of(head: BaseDecodeHead, logits: Tensor, source: View) -> dict[str, Tensor]:
    """What ``head.loss_by_feat`` gives, without waiting for the device and faster.

    mmseg's accuracy sorts the scores of each pixel: in a small network that is a fifth of the
    iteration on a CPU (benchmarks/step_time.py).
    """
    if type(head).loss_by_feat is not BaseDecodeHead.loss_by_feat or head.out_channels == 1:
        return head.loss_by_feat(logits, source.samples)
    labels = source.labels
    scores = F.interpolate(
        logits, labels.shape[-2:], mode='bilinear', align_corners=head.align_corners
    )
    weight = None if head.sampler is None else head.sampler.sample(scores, labels.unsqueeze(1))
    several = isinstance(head.loss_decode, nn.ModuleList)
    losses: dict[str, Tensor] = {}
    for each in head.loss_decode if several else [head.loss_decode]:
        count = _count(each, labels, head.ignore_index)
        loss = each(scores, labels, weight=weight, ignore_index=head.ignore_index, **count)
        losses[each.loss_name] = losses.get(each.loss_name, 0.0) + loss
    return losses | dict(acc_seg=pixel_accuracy(scores, labels, head.ignore_index))


def _count(loss: nn.Module, labels: Tensor, ignore: int) -> dict[str, Tensor]:
    """The number of labelled pixels, for the loss that would else read it from the device."""
    plain = type(loss) is CrossEntropyLoss and not (loss.use_sigmoid or loss.use_mask)
    if plain and loss.avg_non_ignore and loss.reduction == 'mean' and loss.class_weight is None:
        return dict(avg_factor=(labels != ignore).sum())
    return {}
