"""What a segmentor sees and says, and its supervised loss."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN, STD = (128.0, 112.0, 96.0), (64.0, 64.0, 32.0)


def rgb_pixels(batch: dict, domain: str, dtype: torch.dtype) -> Tensor:
    """RGB in [0, 255] of a collated batch of BGR bytes."""
    return torch.stack(batch[domain]['inputs']).flip(1).to(dtype)


class LiteralSegmentor:
    """A segmentor's forward.

    Args:
        net: Backbone, ``decode_head`` and, if it has one, ``auxiliary_head``.
        aux_weight: The weight of the auxiliary head's cross-entropy.
        align_corners: How scores are up-sampled.
    """

    def __init__(self, net: nn.Module, aux_weight: float = 0.0, align_corners: bool = False):
        self.net, self.aux_weight, self.align_corners = net, aux_weight, align_corners
        self.heads = dict(decode=net.decode_head)
        if getattr(net, 'auxiliary_head', None) is not None:
            self.heads['aux'] = net.auxiliary_head

    @property
    def dtype(self) -> torch.dtype:
        return next(self.net.parameters()).dtype

    def images(self, batch: dict, domain: str) -> Tensor:
        """Normalised RGB images of BGR bytes."""
        return self.normalised(rgb_pixels(batch, domain, self.dtype))

    @staticmethod
    def normalised(pixels: Tensor) -> Tensor:
        """Images of RGB pixels in [0, 255]."""
        mean, std = (pixels.new_tensor(each)[:, None, None] for each in (MEAN, STD))
        return (pixels - mean) / std

    def forward(self, images: Tensor, upsampled: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Scores of the heads at image size, of all or of some, and the features."""
        feats = self.net.backbone(images)
        scores = {name: head(feats) for name, head in self.heads.items()}
        outputs = {
            name: self.resized(scores[name], images)
            for name in (scores if upsampled is None else upsampled)
        }
        return outputs | dict(features=feats[-1])

    def see(self, unit: Tensor) -> Tensor:
        """The decode head's scores at image size, on RGB images in [-1, 1]."""
        images = self.normalised((unit + 1) * 127.5)
        return self.resized(self.net.decode_head(self.net.backbone(images)), images)

    def resized(self, scores: Tensor, images: Tensor) -> Tensor:
        size, corners = images.shape[-2:], self.align_corners
        return F.interpolate(scores, size, mode='bilinear', align_corners=corners)

    def supervised(self, outputs: dict[str, Tensor], batch: dict, domain: str = 'source') -> Tensor:
        """The heads' cross-entropy, each the mean over the labelled pixels."""
        labels = torch.cat([each.gt_sem_seg.data for each in batch[domain]['data_samples']])
        loss = F.cross_entropy(outputs['decode'], labels, ignore_index=255)
        if 'aux' in outputs:
            aux = F.cross_entropy(outputs['aux'], labels, ignore_index=255)
            loss = loss + self.aux_weight * aux
        return loss
