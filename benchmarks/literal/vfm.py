"""The iteration of VFM-UDA.

Englert et al., "Exploring the Benefits of Vision Foundation Models for Unsupervised Domain
Adaptation", CVPRW 2024: cross-entropy on jittered source images, on a mixture with the labels of a
mean teacher that also sees mirrored images, and on target images with masked tokens.

What is random is drawn by the caller: ``draws(batch number)`` gives a dict of

- ``source`` and ``target``: of each image ``None`` or the factors and order of its weak jitter,
- ``keys``: numbers (N, C + 1) that order the classes of each image, 255 the last,
- ``mix`` and ``mask``: each a pair of lists, of each image ``None`` or its jitter, and ``None`` or the
  sigma of its blur,
- ``tokens``: numbers (N, L), one for each token.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from literal.dacs import MeanTeacher, blurred, hsv, paste, rgb
from literal.segmentor import MEAN, STD, rgb_pixels
from torch import Tensor, nn


class FlippingTeacher(MeanTeacher):
    """A mean teacher that also looks at mirrored images."""

    @torch.no_grad()
    def verdict(self, images: Tensor, threshold: float) -> tuple[Tensor, float]:
        """Pseudo labels (N, H, W) and the share of sure pixels."""
        views = (images, torch.flip(images, dims=[3]))
        one, other = (torch.softmax(upscaled(self.scores(view), images), dim=1) for view in views)
        sure, labels = ((one + torch.flip(other, dims=[3])) / 2).max(dim=1)
        return labels, (sure >= threshold).sum().item() / sure.numel()


class LiteralVFM:
    """AdamW on the three terms.

    Args:
        net: Backbone, whose ``masked_forward(images, mask)`` takes masked tokens, and
            ``decode_head``.
        alpha: Of the teacher.
        draws: What is random.
        threshold: Of sure pixels.
        ratio: Of masked tokens.
        lr: Of the head; the encoder's is a tenth.
    """

    def __init__(
        self,
        net: nn.Module,
        alpha: float,
        draws: Callable[[int], dict],
        threshold: float,
        ratio: float,
        lr: float,
    ) -> None:
        self.net, self.draws, self.threshold, self.ratio = net, draws, threshold, ratio
        self.teacher = FlippingTeacher(net, alpha)
        groups = [
            dict(params=list(net.backbone.parameters()), lr=lr / 10),
            dict(params=list(net.decode_head.parameters()), lr=lr),
        ]
        self.adamw = torch.optim.AdamW(groups, lr=lr, weight_decay=0.01)

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        self.teacher.move()
        drawn = self.draws(self.teacher.moves - 1)
        dtype = next(self.net.parameters()).dtype
        source, target = (rgb_pixels(batch, d, dtype) / 255 for d in ('source', 'target'))
        labels = torch.cat([each.gt_sem_seg.data for each in batch['source']['data_samples']])
        pseudo, quality = self.teacher.verdict(normalised(target), self.threshold)
        weights = torch.full_like(target[:, 0], quality)
        self.adamw.zero_grad()

        scores = self.scores(changed(source, drawn['source']))
        supervised = F.cross_entropy(scores, labels, ignore_index=255)
        supervised.backward()

        mixed, mixed_labels, mixed_weights = (
            changed(target, drawn['target']),
            pseudo.clone(),
            weights.clone(),
        )
        paste(source, labels, drawn['keys'], True, mixed, mixed_labels, mixed_weights)
        mix = self.weighted(self.scores(changed(mixed, *drawn['mix'])), mixed_labels, mixed_weights)
        mix.backward()

        images = normalised(changed(target, *drawn['mask']))
        feats = self.net.backbone.masked_forward(images, drawn['tokens'] < self.ratio)
        masked = upscaled(self.net.decode_head(feats), images)
        mask = self.weighted(masked, pseudo, weights)
        mask.backward()
        self.adamw.step()
        return dict(supervised=supervised.item(), mix=mix.item(), mask=mask.item())

    def scores(self, unit: Tensor) -> Tensor:
        """Of RGB images in [0, 1], at their size."""
        images = normalised(unit)
        return upscaled(self.net.decode_head(self.net.backbone(images)), images)

    @staticmethod
    def weighted(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        each = F.cross_entropy(scores, labels, ignore_index=255, reduction='none')
        return (each * weights).mean()


def normalised(unit: Tensor) -> Tensor:
    mean, std = (unit.new_tensor(each)[:, None, None] for each in (MEAN, STD))
    return (unit * 255 - mean) / std


def upscaled(scores: Tensor, images: Tensor) -> Tensor:
    return F.interpolate(scores, images.shape[-2:], mode='bilinear', align_corners=False)


def changed(images: Tensor, jitters: list, sigmas: list | None = None) -> Tensor:
    """Jitter and blur those images that have draws."""
    images = [
        x if drawn is None else jittered(x, *drawn)
        for x, drawn in zip(images, jitters, strict=True)
    ]
    sigmas = sigmas or [None] * len(images)
    return torch.stack(
        [x if s is None else blurred(x, s) for x, s in zip(images, sigmas, strict=True)]
    )


def jittered(image: Tensor, factors: list[float], order: list[int]) -> Tensor:
    """Brightness multiplied, contrast against the grey mean, saturation against grey, hue turned."""
    weights = image.new_tensor([0.2989, 0.587, 0.114])[:, None, None]
    for number in order:
        grey = (weights * image).sum(dim=0)
        if number == 0:
            image = torch.clamp(image * factors[0], 0, 1)
        elif number == 1:
            image = torch.clamp(grey.mean() + factors[1] * (image - grey.mean()), 0, 1)
        elif number == 2:
            image = torch.clamp(grey + factors[2] * (image - grey), 0, 1)
        else:
            hue, saturation, value = hsv(image)
            image = rgb(hue + factors[3], saturation, value)
    return image
