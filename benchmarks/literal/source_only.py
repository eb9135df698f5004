"""Supervised training on the source, as it is or in the target's look."""

from typing import Any

import torch
import torch.nn.functional as F
from literal.segmentor import LiteralSegmentor, rgb_pixels
from torch import Tensor, nn


class LiteralSourceOnly(LiteralSegmentor):
    """Cross-entropy on source images, SGD with a faster learning head.

    Args:
        net: As in :class:`LiteralSegmentor`, like the next two.
        aux_weight: The same.
        align_corners: The same.
        lr: Of the backbone; the heads learn ten times as fast.
    """

    def __init__(
        self, net: nn.Module, aux_weight: float, align_corners: bool = False, lr: float = 0.01
    ) -> None:
        super().__init__(net, aux_weight, align_corners)
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
        further = self.after_source(batch)
        self.sgd.step()
        return dict(supervised=supervised.item()) | further

    def after_source(self, batch: dict) -> dict[str, float]:
        """What a method back-propagates between source and target; gives its losses."""
        return {}


class LiteralTranslated(LiteralSourceOnly):
    """The same on images that a trained generator gives the target's look.

    Hoffman et al., "CyCADA: Cycle-Consistent Adversarial Domain Adaptation", ICML 2018.

    Args:
        net: As in :class:`LiteralSourceOnly`.
        generator: From the source's look to the target's, images in [-1, 1] of sides that are
            multiples of four.
        scale: Of the images that the generator sees; they are resized back.
        **others: As in :class:`LiteralSourceOnly`.
    """

    def __init__(self, net: nn.Module, generator: nn.Module, scale: float, **others: Any) -> None:
        super().__init__(net, **others)
        self.generator, self.scale = generator, scale

    @torch.no_grad()
    def images(self, batch: dict, domain: str) -> Tensor:
        pixels = rgb_pixels(batch, domain, self.dtype)
        size = pixels.shape[-2:]
        seen = self.scaled(pixels, [4 * round(self.scale * side / 4) for side in size])
        translated = (self.generator(seen / 127.5 - 1) + 1) * 127.5
        return self.normalised(self.scaled(translated, size))

    @staticmethod
    def scaled(pixels: Tensor, size: list[int] | torch.Size) -> Tensor:
        return F.interpolate(pixels, tuple(size), mode='bilinear', antialias=True)
