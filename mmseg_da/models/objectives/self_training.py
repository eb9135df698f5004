"""Learn from a teacher on images that are mixed of both domains."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from mmseg_da.functional import class_mask, classes_present, half_of_classes, uniforms
from mmseg_da.models.objectives.taught import TaughtObjective, image_numbers
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step

CLASSES = ('image', 'batch')
_WEAKLY = 0.9  # the probability of the target's own jitter


@MODELS.register_module()
class SelfTraining(TaughtObjective):
    """Cross-entropy on target images into which half of a source image's classes are pasted.

    Tranheden et al., "DACS: Domain Adaptation via Cross-domain Mixed Sampling", WACV 2021, section
    3: pasted pixels have the source's labels and the weight 1, the others the teacher's labels and
    the weight of ``quality``. The mixture is jittered and blurred. It has a forward of its own.
    DAFormer (Hoyer et al., CVPR 2022) trains by the same term.

    Source and target images have to be of one size, and ``model.teacher`` must be set.

    Args:
        classes: Half of which classes are pasted: of those in the ``'image'``, as in DACS, or in the
            labels of the whole ``'batch'`` of all processes, as in DAFormer's released code. 255
            counts as a class in both.
        target_jitter: Strengths, as of ``jitter``, of a further jitter of the target's pixels before
            the mixture, with probability 0.9; ``None`` for none, as in both papers.
        **taught: As in :class:`~mmseg_da.models.objectives.taught.TaughtObjective`.

    Raises:
        UserError: An option is out of its range; in training, the domains' images differ in size.
    """

    views = ('mixed',)
    joins_domains = True
    salt = 1

    def __init__(
        self,
        classes: str = 'batch',
        target_jitter: float | Sequence[float] | None = None,
        **taught: Any,
    ) -> None:
        super().__init__(**taught)
        self.target_jitter = None
        if target_jitter is not None:
            self.target_jitter = self._strengths('target_jitter', target_jitter)
        self._require(classes in CLASSES, 'classes', classes, f'one of {list(CLASSES)}')
        self.classes = classes

    def losses(self, step: Step) -> dict[str, Tensor]:
        self.require_pairs(step)
        images, labels, weights, share = self.mixture(step, self.draws.next())
        return self.cross_entropy(step, images, labels, weights) | dict(sure=share)

    @torch.no_grad()
    def mixture(self, step: Step, key: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images, labels and weights of the mixture, and the share of sure pixels."""
        pseudo, weight, share = self.pseudo(step)
        labels = self.source_labels(step)
        pasted = class_mask(labels, self.chosen(labels, key))
        target = step.target.images
        if self.target_jitter is not None:
            target = self.jittered(step, target, key, self.target_jitter, _WEAKLY, codes=(5, 6))
        images = step.source.images.where(pasted.unsqueeze(1), target)
        weights = weight.masked_fill(pasted, 1.0)
        return self.augmented(step, images, key), labels.where(pasted, pseudo), weights, share

    def chosen(self, labels: Tensor, key: tuple[int, int]) -> Tensor:
        """The classes to paste from each image (N, C + 1), the last for 255."""
        present = classes_present(labels, self.num_classes)
        if self.classes == 'batch':
            anywhere = present.any(dim=0).to(torch.uint8)
            all_reduce(anywhere, op='max')
            present = anywhere.bool().expand_as(present)
        return half_of_classes(present, self.keys(labels, key))

    def keys(self, labels: Tensor, key: tuple[int, int]) -> Tensor:
        """What decides between the classes of each image (N, C + 1)."""
        count = self.num_classes + 1
        drawn = [
            uniforms(*key, self.salt, 4, number, count=count, like=labels)
            for number in image_numbers(labels)
        ]
        return torch.stack(drawn)
