"""Supervised training on the source, and what the other iterations share."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN, STD = (128.0, 112.0, 96.0), (64.0, 64.0, 32.0)


class LiteralSourceOnly:
    """Cross-entropy on source images, SGD with a faster learning head.

    Args:
        net: Backbone, ``decode_head`` and, if it has one, ``auxiliary_head``.
        aux_weight: The weight of the auxiliary head's cross-entropy.
        align_corners: How scores are up-sampled.
        lr: Of the backbone; the heads learn ten times as fast.
    """

    def __init__(
        self, net: nn.Module, aux_weight: float, align_corners: bool = False, lr: float = 0.01
    ) -> None:
        self.net, self.aux_weight, self.align_corners = net, aux_weight, align_corners
        self.heads = dict(decode=net.decode_head)
        if getattr(net, 'auxiliary_head', None) is not None:
            self.heads['aux'] = net.auxiliary_head
        learning_faster = [p for head in self.heads.values() for p in head.parameters()]
        groups = [
            dict(params=list(net.backbone.parameters()), lr=lr),
            dict(params=learning_faster, lr=10 * lr),
        ]
        self.sgd = torch.optim.SGD(groups, lr=lr, momentum=0.9, weight_decay=5e-4)

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        self.sgd.zero_grad()
        supervised = self.supervised(self.forward(self.images(batch, 'source')), batch)
        supervised.backward()
        self.sgd.step()
        return dict(supervised=supervised.item())

    def images(self, batch: dict, domain: str) -> Tensor:
        """Normalised RGB images of BGR bytes."""
        dtype = next(self.net.parameters()).dtype
        images = torch.stack(batch[domain]['inputs']).flip(1).to(dtype)
        mean, std = (torch.tensor(each, dtype=dtype)[:, None, None] for each in (MEAN, STD))
        return (images - mean) / std

    def forward(self, images: Tensor, upsampled: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Scores of the heads at image size, of all or of some, and the features."""
        feats = self.net.backbone(images)
        scores = {name: head(feats) for name, head in self.heads.items()}
        size, corners = images.shape[-2:], self.align_corners
        outputs = {
            name: F.interpolate(scores[name], size, mode='bilinear', align_corners=corners)
            for name in (scores if upsampled is None else upsampled)
        }
        return outputs | dict(features=feats[-1])

    def supervised(self, outputs: dict[str, Tensor], batch: dict) -> Tensor:
        """The heads' cross-entropy, each the mean over the labelled pixels."""
        labels = torch.cat([each.gt_sem_seg.data for each in batch['source']['data_samples']])
        loss = F.cross_entropy(outputs['decode'], labels, ignore_index=255)
        if 'aux' in outputs:
            aux = F.cross_entropy(outputs['aux'], labels, ignore_index=255)
            loss = loss + self.aux_weight * aux
        return loss
