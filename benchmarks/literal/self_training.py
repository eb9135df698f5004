"""The iteration of a later round of self-training: of FDA's, or of CBST's without FDA's terms.

Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020; Zou et al.,
"Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced Self-Training", ECCV
2018.
"""

import math

import torch
import torch.nn.functional as F
from literal.fda import swapped
from literal.segmentor import rgb_pixels
from literal.source_only import LiteralSourceOnly
from torch import Tensor, nn


class LiteralSelfTraining(LiteralSourceOnly):
    """Cross-entropy on source images and on target images with pseudo labels.

    Args:
        net: As in :class:`LiteralSourceOnly`.
        aux_weight: The same.
        heads: The weight of the pseudo labels' cross-entropy of each head.
        beta: Of FDA's swap of source images, which have the target's size; none, no swap.
        entropy: The weight of FDA's robust entropy of the decode head, at low resolution.
        **others: As in :class:`LiteralSourceOnly`.
    """

    def __init__(
        self,
        net: nn.Module,
        aux_weight: float,
        heads: dict[str, float],
        beta: float | None = None,
        entropy: float = 0.0,
        **others: object,
    ) -> None:
        super().__init__(net, aux_weight, **others)
        self.weights, self.beta, self.entropy = heads, beta, entropy

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        source, target = (rgb_pixels(batch, each, self.dtype) for each in ('source', 'target'))
        if self.beta is not None:
            source = swapped(source, target, self.beta)
        self.sgd.zero_grad()
        supervised = self.supervised(self.forward(self.normalised(source)), batch)
        supervised.backward()

        images = self.normalised(target)
        feats = self.net.backbone(images)
        scores = {name: head(feats) for name, head in self.heads.items()}
        samples = batch['target']['data_samples']
        labels = torch.cat([each.pseudo_sem_seg.data for each in samples])
        pseudo = sum(
            weight * self.labelled(self.resized(scores[name], images), labels)
            for name, weight in self.weights.items()
        )
        robust = self.entropy * self.robust_entropy(scores['decode'])
        (pseudo + robust).backward()
        self.sgd.step()
        losses = dict(supervised=supervised, pseudo=pseudo, entropy=robust)
        return {name: value.item() for name, value in losses.items()}

    @staticmethod
    def labelled(scores: Tensor, labels: Tensor) -> Tensor:
        """Mean over the labelled pixels; nothing where there is none."""
        if (labels == 255).all():
            return 0.0 * scores.sum()
        return F.cross_entropy(scores, labels, ignore_index=255)

    @staticmethod
    def robust_entropy(scores: Tensor) -> Tensor:
        """FDA's penalty, of its released code's exponent."""
        logs = F.log_softmax(scores, dim=1)
        entropy = -(logs.exp() * logs).sum(dim=1) / math.log(scores.shape[1])
        return ((entropy**2 + 1e-8) ** 2.0).mean()
