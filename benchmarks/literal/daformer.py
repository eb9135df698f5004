"""DAFormer's iteration: self-training, and features of things kept near those of ImageNet.

Hoyer et al., "DAFormer: Improving Network Architectures and Training Strategies for
Domain-Adaptive Semantic Segmentation", CVPR 2022, section 3.
"""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from literal.dacs import LiteralDACS
from torch import Tensor, nn


class LiteralDAFormer(LiteralDACS):
    """Cross-entropy and feature distance of the source, then the mixture; one update.

    Args:
        net: As in :class:`LiteralDACS`.
        *args: The same.
        things: Numbers of the classes that are things.
        distance: Weight of the feature distance; 0, there is none.
        min_share: Share of a cell that one of them has to cover.
        **others: As in :class:`LiteralDACS`.
    """

    def __init__(
        self,
        net: nn.Module,
        *args: object,
        things: Sequence[int],
        distance: float,
        min_share: float = 0.75,
        **others: object,
    ) -> None:
        super().__init__(net, *args, **others)
        self.imagenet = copy.deepcopy(net.backbone)
        self.imagenet.eval()  # which gives nothing back in mmseg's ResNet
        self.things, self.weight, self.min_share = things, distance, min_share

    def step(self, batch: dict) -> dict[str, float]:
        self.teacher.move()
        self.sgd.zero_grad()
        images = self.images(batch, 'source')
        outputs = self.forward(images)
        supervised = self.supervised(outputs, batch)
        supervised.backward(retain_graph=True)
        labels = torch.cat([each.gt_sem_seg.data for each in batch['source']['data_samples']])
        distance = torch.zeros(())
        if self.weight:
            distance = self.weight * self.distance(outputs['features'], images, labels)
            distance.backward()
        losses = dict(supervised=supervised.item(), distance=distance.item())
        losses |= self.taught(batch)
        self.sgd.step()
        return losses

    def distance(self, features: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Mean over the cells of which a thing covers three quarters."""
        with torch.no_grad():
            reference = self.imagenet(images)[-1]
        classes = self.net.decode_head.num_classes
        one_hot = F.one_hot(labels.where(labels < classes, classes), classes + 1)
        shares = pooled(one_hot.permute(0, 3, 1, 2).to(images), features.shape[-2:])
        share, winner = shares.max(dim=1)
        covered = sum(winner == thing for thing in self.things).bool()
        covered &= share >= self.min_share - 1e-6  # means of odd cells are rounded
        distances = torch.norm(features - reference, dim=1)  # whose gradient at 0 is 0
        return distances[covered].mean() if covered.any() else 0 * distances.sum()


def pooled(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Means of cells: of average pooling where sides are multiples, else row y is in y * h // H."""
    sides = tuple(images.shape[-2:])
    if all(long % short == 0 for long, short in zip(sides, size, strict=True)):
        return F.avg_pool2d(images, tuple(a // b for a, b in zip(sides, size, strict=True)))
    rows, columns = (
        F.one_hot(torch.arange(long) * short // long, short).to(images)
        for long, short in zip(sides, size, strict=True)
    )
    sums = torch.einsum('nchw,hy,wx->ncyx', images, rows, columns)
    return sums / (rows.sum(dim=0)[:, None] * columns.sum(dim=0))
