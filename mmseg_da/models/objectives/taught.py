"""What objectives that learn from a teacher share: pseudo labels, augmentation, cross-entropy."""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_rank
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import (
    colour_jitter,
    confident_share,
    cut,
    full_precision,
    gaussian_blur,
    inside_margins,
    photometric_jitter,
    uniform,
)
from mmseg_da.models.objectives.base import Objective, require_classes
from mmseg_da.structures import Draws, Step, dense_forward, heads_of

IGNORE = 255
QUALITIES = ('batch', 'pixel')


class TaughtObjective(Objective):
    """Cross-entropy on changed images, with the teacher's pseudo labels on the target.

    Args:
        threshold: The teacher is sure of a pixel from this probability on.
        quality: The weight of pixels with pseudo labels: ``'batch'``, the share of sure pixels in
            the batch of all processes; ``'pixel'``, 1 where sure and 0 elsewhere.
        ignore_top: Rows at the top of target images that have weight 0: a whole number, or a share
            of the height as a float below 1. Margins of the images before their crops are marked
            by :class:`~mmseg_da.datasets.margins.MarkMargins`.
        ignore_bottom: The same at the bottom.
        jitter: Strength s of the colour jitter: factors are drawn in 1 - s to 1 + s, hue in turns
            of -s to s, per image. Four numbers are those of brightness, contrast, saturation and
            hue.
        jitter_prob: Probability that a batch is jittered.
        blur_prob: Probability that it is blurred, with a sigma of 0.15 to 1.15 pixels per image.
        photometric: Jitter as :func:`~mmseg_da.functional.photometric_jitter`, not as
            :func:`~mmseg_da.functional.colour_jitter`.
        each_image: Whether to jitter and to blur is drawn for each image, not for the batch.
        heads: Weight of each head that learns; the decode head alone, if ``None``.
        loss_weight: Weight of their sum.

    Raises:
        UserError: An option is out of its range, the segmentor has no such head, or one of a single
            channel.
    """

    needs_teacher = True
    salt = 0  # so that two objectives of one seed draw different numbers

    def __init__(
        self,
        threshold: float = 0.968,
        quality: str = 'batch',
        ignore_top: float = 0,
        ignore_bottom: float = 0,
        jitter: float | Sequence[float] = 0.2,
        jitter_prob: float = 0.8,
        blur_prob: float = 0.5,
        photometric: bool = False,
        each_image: bool = False,
        heads: Mapping[str, float] | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        shares = dict(threshold=threshold, jitter_prob=jitter_prob, blur_prob=blur_prob)
        for key, value in shares.items():
            self._require(_is_share(value), key, value, 'in [0, 1]')
        strengths = self._strengths('jitter', jitter)
        for key, value in dict(photometric=photometric, each_image=each_image).items():
            self._require(isinstance(value, bool), key, value, 'True or False')
        for key, value in dict(ignore_top=ignore_top, ignore_bottom=ignore_bottom).items():
            rows = is_number(value) and value >= 0 and (isinstance(value, int) or value < 1)
            self._require(rows, key, value, 'rows, or a share of the height below 1')
        self._require(quality in QUALITIES, 'quality', quality, f'one of {list(QUALITIES)}')
        weights = isinstance(heads, Mapping) and list(heads.values())
        fits = heads is None or (weights and all(is_number(w) and w >= 0 for w in weights))
        self._require(fits, 'heads', heads, 'a dict of the weight, 0 or more, of each head')
        self.threshold, self.quality = threshold, quality
        self.ignore_top, self.ignore_bottom = ignore_top, ignore_bottom
        self.jitter, self.jitter_prob, self.blur_prob = strengths, jitter_prob, blur_prob
        self.photometric, self.each_image = photometric, each_image
        self.heads = {'decode': 1.0} if heads is None else dict(heads)
        self.draws = Draws()

    def _require(self, fits: bool, key: str, value: object, what: str) -> None:
        if not fits:
            raise UserError(f'{type(self).__name__}: {key} is {value!r}, but has to be {what}')

    def _strengths(self, key: str, jitter: float | Sequence[float]) -> tuple[float, ...]:
        strengths = [jitter] * 4 if is_number(jitter) else jitter
        fits = isinstance(strengths, Sequence) and len(strengths) == 4
        fits = fits and all(_is_share(each) for each in strengths)
        self._require(fits, key, jitter, 'in [0, 1], or four such numbers')
        return tuple(strengths)

    def attach(self, segmentor: EncoderDecoder) -> None:
        """Look at the heads."""
        for name in self.heads:
            require_classes(segmentor, name, type(self).__name__)
        self.num_classes = require_classes(segmentor, 'decode', type(self).__name__).out_channels

    @torch.no_grad()
    def pseudo(self, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """Pseudo labels of the target (N, H, W), the weights of their pixels, the sure share."""
        labels, confidence = step.teaching.verdict
        share = confident_share(confidence, self.threshold)
        all_reduce(share, op='mean')
        weight = share
        if self.quality == 'pixel':
            weight = (confidence >= self.threshold).to(confidence.dtype)
        inside = inside_margins(
            labels.shape[1], self.ignore_top, self.ignore_bottom, like=confidence
        )
        weight = (weight * inside).expand(labels.shape)
        valid = step.target.valid
        return labels, weight if valid is None else weight * valid, share

    @torch.no_grad()
    def augmented(self, step: Step, images: Tensor, key: tuple[int, int]) -> Tensor:
        """Jitter and blur normalised images (N, 3, H, W)."""
        images = self.jittered(step, images, key, self.jitter, self.jitter_prob)
        return self._some(
            images,
            [*key, self.salt, 1],
            self.blur_prob,
            lambda image, number: gaussian_blur(image, self.sigma_of(key, number)),
        )

    @torch.no_grad()
    def jittered(
        self,
        step: Step,
        images: Tensor,
        key: tuple[int, int],
        strengths: Sequence[float],
        prob: float,
        codes: tuple[int, int] = (0, 2),
    ) -> Tensor:
        """Jitter normalised images (N, 3, H, W); ``codes`` tell the draws of two jitters apart."""

        jitter = photometric_jitter if self.photometric else colour_jitter

        def changed(image: Tensor, number: int) -> Tensor:
            drawn = self.jitter_of(key, number, strengths, codes[1])
            unit = jitter(step.look.to_unit(image[None])[0], *drawn)
            return step.look.to_images(unit[None])[0]

        return self._some(images, [*key, self.salt, codes[0]], prob, changed)

    def _some(
        self,
        images: Tensor,
        key: Sequence[int],
        prob: float,
        change: Callable[[Tensor, int], Tensor],
    ) -> Tensor:
        """Change all images or none or, with ``each_image``, some."""
        numbers = image_numbers(images)
        chosen = [uniform(*key, *[n] * self.each_image) < prob for n in numbers]
        if not any(chosen):
            return images
        changed = zip(images, numbers, chosen, strict=True)
        return torch.stack([change(each, n) if yes else each for each, n, yes in changed])

    def jitter_of(
        self,
        key: tuple[int, int],
        image: int,
        strengths: Sequence[float] | None = None,
        code: int = 2,
    ) -> tuple[list[float], list[int]]:
        """Factors of brightness, contrast, saturation and hue, and their order."""
        drawn = [uniform(*key, self.salt, code, image, number) for number in range(8)]
        strengths = self.jitter if strengths is None else strengths
        spread = [s * (2 * each - 1) for s, each in zip(strengths, drawn[:4], strict=True)]
        factors = [1 + each for each in spread[:3]] + [spread[3]]
        return factors, sorted(range(4), key=lambda number: drawn[4 + number])

    def sigma_of(self, key: tuple[int, int], image: int) -> float:
        """Of the blur, in pixels."""
        return 0.15 + uniform(*key, self.salt, 3, image)

    def cross_entropy(
        self, step: Step, images: Tensor, labels: Tensor, weights: Tensor
    ) -> dict[str, Tensor]:
        """Weighted and averaged over all pixels, of which those without a label count as 0."""
        heads = heads_of(step.segmentor)
        dense, losses = dense_forward(step.segmentor, images, tuple(self.heads)), {}
        for name, weight in self.heads.items():
            loss = sum(
                part.weight
                * _cross_entropy(
                    part.logits,
                    cut(labels, part.box),
                    cut(weights, part.box),
                    heads[name].align_corners,
                )
                for part in dense.parts_of(name)
            )
            losses[f'{name}.loss_ce'] = self.loss_weight * weight * loss
        return losses

    def source_labels(self, step: Step) -> Tensor:
        """Labels of the source (N, H, W), int64; those that are no class become 255."""
        labels = step.source.labels.long()
        return labels.masked_fill((labels < 0) | (labels >= self.num_classes), IGNORE)

    def require_pairs(self, step: Step) -> None:
        """Check that source and target images are as many and as large.

        Raises:
            UserError: They are not; names both sizes.
        """
        ours, theirs = (
            'x'.join(map(str, (len(v.images), *v.images.shape[-2:])))
            for v in (step.source, step.target)
        )
        if ours != theirs:
            raise UserError(
                f'{type(self).__name__}: source images are {ours}, target images {theirs} (number x '
                'height x width), but have to be alike: crop both pipelines to one size and set '
                'model.data_preprocessor.size to it'
            )


def _cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor, corners: bool) -> Tensor:
    scores = F.interpolate(logits, labels.shape[-2:], mode='bilinear', align_corners=corners)
    each = F.cross_entropy(full_precision(scores), labels, ignore_index=IGNORE, reduction='none')
    return (each * weights).mean()


def image_numbers(images: Tensor) -> list[int]:
    """The numbers of images in the batch of all processes, which each have as many."""
    first = get_rank() * len(images)
    return list(range(first, first + len(images)))


def is_number(value: object) -> bool:
    """An int or a float, but no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_share(value: object) -> bool:
    return is_number(value) and 0 <= value <= 1
