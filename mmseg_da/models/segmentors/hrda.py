"""A segmentor that sees context at low and detail at high resolution."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.models.utils import resize
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import (
    Box,
    averaged,
    cut,
    draw_box,
    fuse,
    masked_to,
    padded_to,
    scaled_box,
    shrunk,
    uniform,
    window_boxes,
)
from mmseg_da.models.segmentors.sliding import (
    BatchedSlideEncoderDecoder,
    is_count,
    is_number,
    is_pair,
)
from mmseg_da.registry import MODELS
from mmseg_da.structures import Dense, Draws, Part, View, supervised

Feats = Sequence[Tensor]
_SHARED = ('in_channels', 'in_index', 'num_classes', 'out_channels', 'norm_cfg', 'align_corners')
_SALT = 5  # other numbers than an objective of the same seed draws


@MODELS.register_module()
class HRDAEncoderDecoder(BatchedSlideEncoderDecoder):
    """One backbone and one decode head on two scales, fused by a learned attention.

    Hoyer et al., "HRDA: Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation", ECCV
    2022, section 3. The context is the whole image at ``context_scale`` times its size. The detail is
    at full size: in training a crop that is drawn anew for each forward, the same for all images of
    the batch; in inference, and where it teaches, overlapping windows that are averaged.

    Images of any size are continued by 0 to a multiple of ``multiple`` pixels; the scores that this
    adds are dropped. The features that objectives see are those of the context.

    Args:
        decode_head: Config of a head with one map of scores.
        scale_attention: Config of a head that says, class by class or with one channel, how much
            the detail is to be trusted (before the sigmoid). Its inputs, classes and norm are those
            of ``decode_head``, if it does not say otherwise; its scores are resized to those.
        detail_crop: Height and width of the detail in pixels, or the share of the image's sides.
        context_scale: Size of the context, one over a whole number.
        multiple: Of which the origin and the sides of detail crops and windows are multiples, so
            that they begin with a cell of the scores of the context: a multiple of the decode
            head's stride divided by ``context_scale``.
        detail_weight: Share of the loss that the detail's own scores take.
        context_weight: Share of the context's, less what the attention leaves to the detail.
        overlap: Detail windows overlap by half; else they lie side by side.
        window_batch: Most detail windows of one image that are encoded together; all if
            ``None``. Fewer take less memory. Batch norm in training mode, as of a teacher,
            normalises over those that are together.
        **network: As of mmseg's ``EncoderDecoder``; there can be no auxiliary head.

    Attributes:
        draws: Counts the forwards in training, as the key of the boxes that are drawn.

    Raises:
        UserError: An option is out of its range, there is an auxiliary head, the attention has
            another number of channels; in a forward, ``multiple`` does not suit the decode head or
            a training image is smaller than the detail.
    """

    def __init__(
        self,
        *,
        decode_head: dict,
        scale_attention: dict,
        detail_crop: Sequence[int] | float = (512, 512),
        context_scale: float = 0.5,
        multiple: int = 8,
        detail_weight: float = 0.1,
        context_weight: float = 0.0,
        overlap: bool = True,
        window_batch: int | None = None,
        **network: Any,
    ) -> None:
        if network.get('auxiliary_head') is not None:
            raise UserError(
                'HRDAEncoderDecoder: auxiliary_head is set, but the two scales are fused for the '
                'decode head alone: set auxiliary_head=None'
            )
        fits = isinstance(scale_attention, Mapping)
        self._require(fits, 'scale_attention', scale_attention, "a head's config")
        super().__init__(decode_head=decode_head, **network)
        shared = {key: decode_head[key] for key in _SHARED if key in decode_head}
        self.scale_attention = MODELS.build(shared | dict(scale_attention))
        self._require_channels(self.scale_attention.out_channels)
        self.scale = self._require_scale(context_scale)
        self.multiple = self._require_multiple(multiple)
        self.detail_crop = self._require_crop(detail_crop)
        self._require_shares(detail_weight, context_weight)
        self.detail_weight, self.context_weight = float(detail_weight), float(context_weight)
        self._require(isinstance(overlap, bool), 'overlap', overlap, 'True or False')
        fits = window_batch is None or is_count(window_batch)
        self._require(fits, 'window_batch', window_batch, 'a whole number above 0, or None')
        self.overlap, self.window_batch = overlap, window_batch
        self.draws = Draws()
        self._register_load_state_dict_pre_hook(self._keep_draws)

    def _require_channels(self, channels: int) -> None:
        if channels not in (1, self.out_channels):
            raise UserError(
                f'HRDAEncoderDecoder: scale_attention has {channels} channels, but decode_head has '
                f'{self.out_channels}: give it as many, or one'
            )

    def _require_scale(self, scale: object) -> int:
        """How many pixels of an image are one of its context, along each side."""
        inverse = round(1 / scale) if is_number(scale) and 0 < scale < 1 else 0
        fits = inverse > 1 and abs(inverse * scale - 1) < 1e-6
        self._require(fits, 'context_scale', scale, 'one over a whole number, such as 0.5')
        return inverse

    def _require_multiple(self, multiple: object) -> int:
        fits = is_count(multiple) and multiple % self.scale == 0
        self._require(fits, 'multiple', multiple, f'a multiple of {self.scale}')
        return multiple

    def _require_crop(self, crop: object) -> tuple[int, int] | float:
        share = isinstance(crop, float) and 0 < crop <= 1
        self._require(
            share or is_pair(crop, self.multiple),
            'detail_crop',
            crop,
            f'a height and a width that are multiples of {self.multiple}, or a share in (0, 1]',
        )
        return crop if share else tuple(crop)

    def _require_shares(self, detail: object, context: object) -> None:
        for key, value in dict(detail_weight=detail, context_weight=context).items():
            self._require(is_number(value) and 0 <= value <= 1, key, value, 'in [0, 1]')
        fits = detail + context <= 1
        self._require(fits, 'context_weight', context, f'at most {1 - detail}, 1 - detail_weight')

    def _keep_draws(self, state_dict: dict, prefix: str, *_: Any) -> None:
        """A checkpoint of another code, or of fewer keys, has no count: it goes on from here."""
        for name, value in self.draws.state_dict().items():
            state_dict.setdefault(f'{prefix}draws.{name}', value)

    def context(self, images: Tensor) -> Tensor:
        """The context of images (N, 3, H, W): continued to a multiple, and made smaller."""
        return shrunk(padded_to(images, self.multiple), self.scale, self.align_corners)

    def extract_feat(self, inputs: Tensor) -> Feats:
        """The features of the context of images (N, 3, H, W)."""
        return self._encode(self.context(inputs))

    def dense(self, images: Tensor) -> Dense:
        """The training pass of normalised images (N, 3, H, W), with a detail crop that it draws."""
        box = self._draw_box(images.shape[-2:])
        padded = padded_to(images, self.multiple)
        feats, detail_feats = self.extract_feat(images), self._encode(cut(padded, box))
        context, detail = self.decode_head(feats), self.decode_head(detail_feats)
        stride = self._stride(context, detail, padded.shape[-2:], box)
        attention, cells = self._attention(feats, context), scaled_box(box, stride)
        fused = cut(self._fuse(context, detail, attention, cells), _kept(images, stride))
        parts = [
            Part(fused, 1 - self.detail_weight - self.context_weight),
            Part(detail, self.detail_weight, box),
        ]
        if self.context_weight:
            left = (1 - masked_to(attention, scaled_box(cells, self.scale))) * context
            parts.append(Part(cut(left, _kept(images, self.scale * stride)), self.context_weight))
        return Dense(tuple(feats), dict(decode=fused), dict(decode=tuple(parts)))

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """The losses of a training without an adaptor, which are those of the dense pass."""
        view = View(self, inputs, data_samples)
        view.is_open = True
        return supervised(self, view, 1.0)

    def _forward(self, inputs: Tensor, data_samples: list | None = None) -> Tensor:
        """Scores (N, C, h, w) of images: the context, and windows of detail all over."""
        padded = padded_to(inputs, self.multiple)
        size = padded.shape[-2:]
        feats = self.extract_feat(inputs)
        context = self.decode_head(feats)
        crop = [min(pair) for pair in zip(self._crop(size), size, strict=True)]
        boxes = window_boxes(size, crop, self._steps(crop))
        windows = list(self.over_windows(self._decode, padded, boxes, self.window_batch))
        stride = self._stride(context, windows[0], size, boxes[0])
        cells = [scaled_box(box, stride) for box in boxes]
        detail = averaged(windows, cells, [side // stride for side in size])
        fused = self._fuse(context, detail, self._attention(feats, context), None)
        return cut(fused, _kept(inputs, stride))

    def _attention(self, feats: Feats, context: Tensor) -> Tensor:
        """How much the detail is to be trusted, by the context, in [0, 1]; of the context's size."""
        scores = self.scale_attention(feats)
        if scores.shape[-2:] != context.shape[-2:]:
            scores = resize(
                scores, context.shape[-2:], mode='bilinear', align_corners=self.align_corners
            )
        return scores.sigmoid()

    def _steps(self, crop: Sequence[int]) -> list[int]:
        """From one detail window to the next."""
        if not self.overlap:
            return list(crop)
        cell = self.multiple // self.scale  # of the fine scores, or several
        return [max(side // 2 // cell, 1) * cell for side in crop]

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Scores (N, C, H, W) at the size of the images."""
        return self.decode_head.predict_by_feat(self._forward(inputs), batch_img_metas)

    def _encode(self, images: Tensor) -> Feats:
        """Features of images at the size they have."""
        return super().extract_feat(images)

    def _decode(self, images: Tensor) -> Tensor:
        return self.decode_head(self._encode(images))

    def _fuse(self, context: Tensor, detail: Tensor, attention: Tensor, box: Box | None) -> Tensor:
        return fuse(context, detail, attention, box, self.scale, self.align_corners)

    def _crop(self, size: Sequence[int]) -> tuple[int, int]:
        """The sides of a detail crop of images of a size."""
        if isinstance(self.detail_crop, tuple):
            return self.detail_crop
        cells = (int(self.detail_crop * side) // self.multiple for side in size)
        return tuple(max(each, 1) * self.multiple for each in cells)

    def _draw_box(self, size: Sequence[int]) -> Box:
        crop = self._crop(size)
        if any(side < part for side, part in zip(size, crop, strict=True)):
            raise UserError(
                f'HRDAEncoderDecoder: training images are {_by(size)} pixels, but detail_crop is '
                f'{_by(crop)}: set a smaller detail_crop, or a share of the image such as 0.5'
            )
        key = self.draws.next()
        at = [uniform(*key, _SALT, axis) for axis in range(2)]
        return draw_box(size, crop, self.multiple, at)

    def _stride(self, coarse: Tensor, fine: Tensor, size: Sequence[int], box: Box) -> int:
        """Pixels per score of the decode head, from the scores of an image and of a box of it."""
        sides = (box[1] - box[0], box[3] - box[2])
        stride = max(1, round(sides[0] / fine.shape[-2]))
        aligned = all(
            stride * cells == side for cells, side in zip(fine.shape[-2:], sides, strict=True)
        ) and all(
            self.scale * stride * cells == side
            for cells, side in zip(coarse.shape[-2:], size, strict=True)
        )
        if not aligned or self.multiple % (self.scale * stride):
            raise UserError(
                f'HRDAEncoderDecoder: multiple is {self.multiple}, but the decode head gives scores '
                f'of {_by(fine.shape[-2:])} for a detail of {_by(sides)} pixels, a stride of '
                f'{stride}: set multiple, and the sides of detail_crop, to multiples of '
                f'{self.scale * stride}'
            )
        return stride


def _kept(images: Tensor, stride: int) -> Box:
    """The scores, from the first, that are about the image and not about what continues it."""
    height, width = (-(-side // stride) for side in images.shape[-2:])
    return 0, height, 0, width


def _by(size: Sequence[int]) -> str:
    return 'x'.join(map(str, size))
