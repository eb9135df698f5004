"""Sliding-window inference, several windows at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import Box, averaged, cut, in_chunks, window_boxes
from mmseg_da.registry import MODELS


@MODELS.register_module()
class BatchedSlideEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder``, which in ``mode='slide'`` sees its windows together.

    The windows and their mean are mmseg's. It sees them one after the other, and so leaves most of
    a GPU idle.

    Args:
        test_cfg: As mmseg's; ``batch`` is the number of windows of each image that are seen
            together, all if it is missing. Fewer take less memory.
        **network: As of ``EncoderDecoder``.

    Raises:
        UserError: ``batch`` is no whole number above 0, or in ``mode='slide'`` the stride is missing,
            no whole numbers, or larger than the window, so that pixels would be left out.
    """

    def __init__(self, test_cfg: dict | None = None, **network: Any) -> None:
        super().__init__(test_cfg=test_cfg, **network)
        settings = test_cfg or {}
        batch = settings.get('batch')
        fits = batch is None or is_count(batch)
        self._require(fits, 'test_cfg.batch', batch, 'a whole number above 0, or None')
        if settings.get('mode') == 'slide':
            crop, stride = settings.get('crop_size'), settings.get('stride')
            for key, value in dict(crop_size=crop, stride=stride).items():
                what = 'a height and a width of whole pixels'
                self._require(is_pair(value), f'test_cfg.{key}', value, what)
            fits = all(step <= side for step, side in zip(stride, crop, strict=True))
            self._require(fits, 'test_cfg.stride', stride, f'at most crop_size, {tuple(crop)}')

    def _require(self, fits: bool, key: str, value: object, what: str) -> None:
        if not fits:
            raise UserError(f'{type(self).__name__}: {key} is {value!r}, but has to be {what}')

    def slide_inference(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Scores (N, C, H, W) of images, the mean of those of overlapping windows."""
        size = inputs.shape[-2:]
        crop = [min(a, b) for a, b in zip(self.test_cfg['crop_size'], size, strict=True)]
        boxes = window_boxes(size, crop, self.test_cfg['stride'])
        metas = [dict(each, img_shape=torch.Size(crop)) for each in batch_img_metas]
        windows = self.over_windows(
            lambda images: self.encode_decode(images, metas),
            inputs,
            boxes,
            self.test_cfg.get('batch'),
        )
        return averaged(windows, boxes, size)

    @staticmethod
    def over_windows(
        function: Callable[[Tensor], Tensor],
        images: Tensor,
        boxes: Sequence[Box],
        most: int | None = None,
    ) -> Iterator[Tensor]:
        """What a function says of windows of images.

        Args:
            function: Of images (B, 3, h, w), with as many results.
            images: (N, 3, H, W).
            boxes: The windows, of one size.
            most: How many windows of each image it is given together; all if ``None``.

        Yields:
            The results of N images, window by window.
        """
        for some in in_chunks(len(boxes), most):
            crops = torch.cat([cut(images, box) for box in boxes[some]])
            yield from function(crops).split(len(images))


def is_count(value: object) -> bool:
    """A whole number above 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def is_number(value: object) -> bool:
    """An int or a float, but no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_pair(value: object, multiple: int = 1) -> bool:
    """Two whole numbers above 0 that are multiples of another."""
    listed = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    return listed and all(is_count(each) and each % multiple == 0 for each in value)
