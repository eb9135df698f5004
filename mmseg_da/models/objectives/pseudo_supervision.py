"""What a segmentor's own sure predictions teach it on the target."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import cut, full_precision
from mmseg_da.models.objectives.base import Objective, require_classes
from mmseg_da.registry import MODELS
from mmseg_da.structures import Part, Step, View

_IGNORE = 255


@MODELS.register_module()
class PseudoSupervision(Objective):
    """Cross-entropy on target images with pseudo labels.

    The term of self-training: FDA (Yang and Soatto, 2020, section 3.2) and CBST (Zou et al., 2018)
    add it to that of the source. It is the mean over the pixels of the batch that have a label, at
    the size of the images, and 0 where none has one. The batch is that of all processes, however
    unequally many labels each has: the mean of what they log is the loss of the joint batch.

    The target pipeline has to have ``LoadPseudoLabels``.

    Args:
        heads: Weight of each head that learns: ``'decode'``, ``'aux'``, ``'aux_0'``, ...; the decode
            head alone, if ``None``.
        loss_weight: Weight of their sum.

    Raises:
        UserError: The segmentor has no such head, or one of a single channel; while training, target
            images have no pseudo labels.
    """

    views = ('target',)

    def __init__(self, heads: Mapping[str, float] | None = None, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight)
        self.heads = {'decode': 1.0} if heads is None else dict(heads)

    def attach(self, segmentor: EncoderDecoder) -> None:
        """Look at the heads."""
        self.align_corners = {
            name: require_classes(segmentor, name, type(self).__name__).align_corners
            for name in self.heads
        }

    def losses(self, step: Step) -> dict[str, Tensor]:
        labels = _pseudo_labels(step.target)
        dense = step.target.dense
        losses = {
            f'{name}.loss_ce': self.loss_weight
            * weight
            * sum(
                part.weight * self._cross_entropy(name, part, labels)
                for part in dense.parts_of(name)
            )
            for name, weight in self.heads.items()
        }
        return losses | dict(labelled=(labels != _IGNORE).sum() / labels.numel())

    def _cross_entropy(self, head: str, part: Part, labels: Tensor) -> Tensor:
        """The mean over the pixels of a part that have a label."""
        labels = cut(labels, part.box)
        scores = F.interpolate(
            part.logits,
            labels.shape[-2:],
            mode='bilinear',
            align_corners=self.align_corners[head],
        )
        scores = full_precision(scores)
        total = F.cross_entropy(scores, labels, ignore_index=_IGNORE, reduction='sum')
        return total / _share_of_processes((labels != _IGNORE).sum())


@torch.no_grad()
def _share_of_processes(count: Tensor) -> Tensor:
    """Labelled pixels per process on average; of one in all, where there is none.

    Gradients are averaged over processes, so dividing by this divides their sum by all pixels.
    """
    total = count.clone()
    all_reduce(total)
    return total.clamp(min=1) / get_world_size()


def _pseudo_labels(target: View) -> Tensor:
    """Classes (N, H, W), int64, 255 where there is nothing to learn and where images are padded."""
    height, width = target.images.shape[-2:]
    return torch.stack([_padded(sample, height, width) for sample in target.samples])


def _padded(sample: SegDataSample, height: int, width: int) -> Tensor:
    if 'pseudo_sem_seg' not in sample:
        raise UserError(
            'PseudoSupervision: target images have no pseudo labels: add '
            "dict(type='LoadPseudoLabels', folder='...') to the target pipeline"
        )
    labels = sample.pseudo_sem_seg.data[0]
    missing = (0, width - labels.shape[1], 0, height - labels.shape[0])
    return F.pad(labels, missing, value=_IGNORE)  # mmseg's preprocessor pads gt_sem_seg alone
