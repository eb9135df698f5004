"""Aggregation of several sources: a rival names the source of an output, the segmentor hides it."""

from typing import Any

import torch
import torch.nn.functional as F
from literal.source_only import LiteralSourceOnly
from torch import Tensor, nn


class LiteralSourceConfusion(LiteralSourceOnly):
    """Cross-entropy on the sources beside domain confusion (Tzeng et al., ICCV 2015) between them.

    Args:
        net: As in :class:`LiteralSourceOnly`.
        rival: Judges each pixel's scores: one channel per source.
        weight: Of the confusion.
        **others: As in :class:`LiteralSourceOnly`.
    """

    def __init__(self, net: nn.Module, rival: nn.Module, weight: float, **others: Any) -> None:
        super().__init__(net, **others)
        self.rival, self.weight = rival, weight
        self.adam = torch.optim.Adam(rival.parameters(), lr=1e-3, betas=(0.9, 0.99))

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        for optimizer in (self.sgd, self.adam):
            optimizer.zero_grad()
        self.rival.requires_grad_(False)
        outputs = self.forward(self.images(batch, 'source'))
        supervised = self.supervised(outputs, batch)
        logs = self.log_probs(outputs['decode'])
        confused = -self.weight * (logs.sum(dim=1) / logs.shape[1]).mean()
        (supervised + confused).backward()

        self.rival.requires_grad_(True)
        logs = self.log_probs(outputs['decode'].detach())
        samples = batch['source']['data_samples']
        right = [
            image[sample.metainfo['source_index']]
            for image, sample in zip(logs, samples, strict=True)
        ]
        named = -torch.stack(right).mean()
        named.backward()
        for optimizer in (self.sgd, self.adam):
            optimizer.step()
        return dict(supervised=supervised.item(), confused=confused.item(), named=named.item())

    def log_probs(self, scores: Tensor) -> Tensor:
        """The rival's verdict on scores at image size (N, K, H, W)."""
        return F.log_softmax(self.rival(scores), dim=1)
