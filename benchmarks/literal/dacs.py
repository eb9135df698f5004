"""The iterations of self-training with a mean teacher: DACS, and MIC on other methods.

Tranheden et al., "DACS: Domain Adaptation via Cross-domain Mixed Sampling", WACV 2021, with the
choices of DAFormer (Hoyer et al., CVPR 2022); Hoyer et al., "MIC: Masked Image Consistency for
Context-Enhanced Domain Adaptation", CVPR 2023.

What is random is drawn by the caller: ``draws(batch number)`` gives a dict of

- ``keys``: numbers (N, C + 1) that order the classes of each image, 255 the last,
- ``mix`` and ``mask``: each a pair of the jitter, ``None`` or one (factors, order) per image, and of
  the blur, ``None`` or one sigma per image,
- ``blocks``: numbers (N, rows, columns), one for each block.
"""

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from literal.adaptsegnet import LiteralAdaptSegNet
from literal.minent import LiteralMinEnt
from literal.segmentor import MEAN, STD
from literal.source_only import LiteralSourceOnly
from torch import Tensor, nn


class MeanTeacher:
    """A copy of a network that follows it.

    Args:
        net: Backbone and ``decode_head``.
        alpha: The share that stays, after a warm-up.
        align_corners: How scores are up-sampled.
    """

    def __init__(self, net: nn.Module, alpha: float, align_corners: bool = False) -> None:
        self.student, self.net, self.alpha, self.moves = net, copy.deepcopy(net), alpha, 0
        self.align_corners = align_corners

    @torch.no_grad()
    def move(self) -> None:
        """Before an iteration; the first time a copy."""
        alpha = min(1 - 1 / (self.moves + 1), self.alpha)
        for slow, fast in zip(self.net.parameters(), self.student.parameters(), strict=True):
            slow.data = alpha * slow.data + (1 - alpha) * fast.data
        self.moves += 1

    @torch.no_grad()
    def labels(self, images: Tensor, threshold: float, top: int, bottom: int) -> tuple:
        """Pseudo labels, and the weight of each pixel."""
        scores = F.interpolate(
            self.scores(images),
            images.shape[-2:],
            mode='bilinear',
            align_corners=self.align_corners,
        )
        sure, labels = torch.softmax(scores, dim=1).max(dim=1)
        quality = (sure >= threshold).sum().item() / labels.numel()
        weights = torch.full_like(sure, quality)
        weights[:, :top] = 0
        weights[:, labels.shape[1] - bottom :] = 0
        return labels, weights

    def scores(self, images: Tensor) -> Tensor:
        """At the resolution of the head."""
        return self.net.decode_head(self.net.backbone(images))


class Taught:
    """The terms with a teacher, for one of the plain iterations.

    Args:
        net: As of the iteration, whose other arguments follow.
        alpha: Of the teacher.
        draws: What is random.
        threshold: Of sure pixels.
        margins: Rows at the top and bottom of weight 0.
        whole_batch: Classes are chosen from those of the batch, not of the image.
        mix: There is a mixed image.
        mask: The ratio and the side of masked blocks; none, no masked image.
        masked_images: Of which domain these are: ``'target'``, ``'source'`` with its labels, or
            ``'both'``, every second of each, in turn.
    """

    def __init__(
        self,
        net: nn.Module,
        *args: object,
        alpha: float,
        draws: Callable[[int], dict],
        threshold: float = 0.968,
        margins: tuple[int, int] = (0, 0),
        whole_batch: bool = False,
        mix: bool = True,
        mask: tuple[float, int] | None = None,
        masked_images: str = 'target',
        **others: object,
    ) -> None:
        super().__init__(net, *args, **others)
        self.teacher, self.draws = MeanTeacher(net, alpha, self.align_corners), draws
        self.threshold, self.margins = threshold, margins
        self.whole_batch, self.mix, self.mask = whole_batch, mix, mask
        self.masked_images = masked_images

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration; the teacher moves first."""
        self.teacher.move()
        return super().step(batch)

    def taught(self, batch: dict) -> dict[str, float]:
        """Back-propagate the mixed image and the masked image, in this order."""
        drawn = self.draws(self.teacher.moves - 1)
        target = self.images(batch, 'target')
        pseudo = weights = None
        if self.mix or self.masked_images != 'source':
            pseudo, weights = self.teacher.labels(target, self.threshold, *self.margins)
        losses = {}
        if self.mix:
            losses['mix'] = self.mixed(batch, target, pseudo, weights, drawn)
        if self.mask is not None:
            losses['mask'] = self.masked(batch, target, pseudo, weights, drawn)
        return losses

    def masked(
        self, batch: dict, target: Tensor, pseudo: Tensor, weights: Tensor, drawn: dict
    ) -> float:
        images, labels = target, pseudo
        if self.masked_images != 'target':
            source = self.images(batch, 'source')
            true = torch.cat([each.gt_sem_seg.data for each in batch['source']['data_samples']])
            images, labels, own = source, true, torch.ones_like(source[:, 0])
            if self.masked_images == 'both':
                chosen = range(0, len(source) // 2 * 2, 2)
                images = torch.stack([x for i in chosen for x in (source[i], target[i])])
                labels = torch.stack([x for i in chosen for x in (true[i], pseudo[i])])
                own = torch.stack([x for i in chosen for x in (own[i], weights[i])])
            weights = own
        ratio, block = self.mask
        seen = (drawn['blocks'] > ratio).to(images)[:, None]
        height, width = (block * side for side in seen.shape[-2:])
        seen = F.interpolate(seen, (height, width), mode='nearest')
        seen = seen[..., : images.shape[-2], : images.shape[-1]]
        return self.weighted(augmented(images, *drawn['mask']) * seen, labels, weights)

    def mixed(
        self, batch: dict, target: Tensor, pseudo: Tensor, weights: Tensor, drawn: dict
    ) -> float:
        labels = torch.cat([each.gt_sem_seg.data for each in batch['source']['data_samples']])
        source, images = self.images(batch, 'source'), target.clone()
        pseudo, weights = pseudo.clone(), weights.clone()
        paste(source, labels, drawn['keys'], self.whole_batch, images, pseudo, weights)
        return self.weighted(augmented(images, *drawn['mix']), pseudo, weights)

    def weighted(self, images: Tensor, labels: Tensor, weights: Tensor) -> float:
        """Cross-entropy of the decode head over all pixels, the ignored ones in the count."""
        scores = self.resized(self.net.decode_head(self.net.backbone(images)), images)
        each = F.cross_entropy(scores, labels, ignore_index=255, reduction='none')
        loss = (each * weights).sum() / labels.numel()
        loss.backward()
        return loss.item()


def paste(
    source: Tensor,
    labels: Tensor,
    keys: Tensor,
    whole_batch: bool,
    images: Tensor,
    pseudo: Tensor,
    weights: Tensor,
) -> None:
    """Paste half of the classes of source images onto images, their pseudo labels and weights."""
    for number, own in enumerate(labels):
        there = torch.unique(labels if whole_batch else own).tolist()
        order = keys[number].tolist()
        there.sort(key=lambda c, order=order: order[min(c, len(order) - 1)])
        for chosen in there[: math.ceil(len(there) / 2)]:
            pixels = own == chosen
            images[number][:, pixels] = source[number][:, pixels]
            pseudo[number][pixels] = chosen
            weights[number][pixels] = 1


class LiteralDACS(Taught, LiteralSourceOnly):
    """DACS; also with a masked image, or MIC on a source-only training without the mixture."""

    def after_source(self, batch: dict) -> dict[str, float]:
        return self.taught(batch)


class LiteralTaughtAdaptSegNet(Taught, LiteralAdaptSegNet):
    """MIC on AdaptSegNet or, with its representation, AdvEnt."""

    def after_target(self, batch: dict) -> dict[str, float]:
        return self.taught(batch)


class LiteralTaughtMinEnt(Taught, LiteralMinEnt):
    """MIC on MinEnt."""

    def after_target(self, batch: dict) -> dict[str, float]:
        return self.taught(batch)


def augmented(images: Tensor, jitter: list | None, sigmas: list | None) -> Tensor:
    """Jitter and blur, of normalised RGB images."""
    if jitter is not None:
        mean, std = (images.new_tensor(each)[:, None, None] for each in (MEAN, STD))
        unit = (images * std + mean) / 255
        unit = torch.stack([jittered(x, *drawn) for x, drawn in zip(unit, jitter, strict=True)])
        images = (unit * 255 - mean) / std
    if sigmas is not None:
        images = torch.stack([blurred(x, s) for x, s in zip(images, sigmas, strict=True)])
    return images


def jittered(image: Tensor, factors: list[float], order: list[int]) -> Tensor:
    """Brightness added, contrast multiplied, saturation scaled, hue turned."""
    for number in order:
        if number == 0:
            image = torch.clamp(image + factors[0] - 1, 0, 1)
        elif number == 1:
            image = torch.clamp(image * factors[1], 0, 1)
        else:
            hue, saturation, value = hsv(image)
            if number == 2:
                saturation = torch.clamp(saturation * factors[2], 0, 1)
            else:
                hue = hue + factors[3]
            image = rgb(hue, saturation, value)
    return image


def hsv(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The textbook's conversion, of RGB (3, H, W); the hue in turns."""
    value, first = image.max(dim=0)
    chroma = value - image.min(dim=0).values
    red, green, blue = image / chroma.clamp(min=1e-30)
    hue = torch.stack([green - blue, 2 + blue - red, 4 + red - green]).gather(0, first[None])[0]
    hue[chroma == 0] = 0
    saturation = torch.where(value == 0, value, chroma / value.clamp(min=1e-30))
    return hue / 6, saturation, value


def rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Back, by the six sectors of the hue."""
    sector = 6 * (hue - hue.floor())
    number, part = sector.floor().long() % 6, sector - sector.floor()
    p, q = value * (1 - saturation), value * (1 - saturation * part)
    t = value * (1 - saturation * (1 - part))
    cases = [(value, t, p), (q, value, p), (p, value, t), (p, q, value), (t, p, value)]
    cases.append((value, p, q))
    image = torch.empty(3, *hue.shape, dtype=hue.dtype)
    for case, channels in enumerate(cases):
        image[:, number == case] = torch.stack(channels)[:, number == case]
    return image


def blurred(image: Tensor, sigma: float) -> Tensor:
    """A Gaussian of an odd size of about a tenth of the side, with reflected borders."""
    kernels = []
    for side in image.shape[-2:]:
        size = math.floor(math.ceil(0.1 * side) - 0.5 + math.ceil(0.1 * side) % 2)
        place = torch.arange(size, dtype=image.dtype) - size // 2
        weight = torch.exp(-(place**2) / (2 * sigma**2))
        kernels.append(weight / weight.sum())
    kernel = kernels[0][:, None] * kernels[1][None]
    rows, columns = (each // 2 for each in kernel.shape)
    padded = F.pad(image[:, None], (columns, columns, rows, rows), mode='reflect')
    return F.conv2d(padded, kernel[None, None])[:, 0]
