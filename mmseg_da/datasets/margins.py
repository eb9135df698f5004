"""Margins of target images from which nothing is learned."""

from typing import Any

import mmcv
import numpy as np
import torch
from mmcv.transforms import BaseTransform, Pad
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs

from mmseg_da.errors import UserError
from mmseg_da.registry import TRANSFORMS

KEY = 'valid_mask'
SIDES = ('top', 'bottom', 'left', 'right')


@TRANSFORMS.register_module()
class MarkMargins(BaseTransform):
    """Mark the margins of an image, so that its pseudo labels have weight 0 there.

    Put it before the crops and flips of a target pipeline, which take the marks along, pad with
    :class:`PadWithMarks`, and end the pipeline in :class:`PackTargetInputs`. Hoyer et al., "HRDA:
    Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation", ECCV 2022, leave out such
    margins of Cityscapes, where the car with the camera and the rectified border are, in the code
    that they released: 30 pixels, and 240 at the bottom, of 1024 x 2048.

    Args:
        top: Rows, a whole number, or a share of the height as a float below 1.
        bottom: The same at the bottom.
        left: Columns, or a share of the width.
        right: The same at the right.

    Raises:
        UserError: A margin is neither; of an image, nothing is left between them.
    """

    def __init__(
        self, top: float = 0, bottom: float = 0, left: float = 0, right: float = 0
    ) -> None:
        self.margins = dict(zip(SIDES, (top, bottom, left, right), strict=True))
        for side, margin in self.margins.items():
            number = isinstance(margin, int | float) and not isinstance(margin, bool)
            if not number or margin < 0 or (isinstance(margin, float) and margin >= 1):
                raise UserError(
                    f'MarkMargins: {side} is {margin!r}, but has to be a whole number of pixels, or a '
                    'share of the side below 1'
                )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``valid_mask`` (H, W), uint8, 1 inside, to what is cropped and flipped."""
        height, width = results['img'].shape[:2]
        top, bottom, left, right = (
            margin if isinstance(margin, int) else round(margin * side)
            for margin, side in zip(
                self.margins.values(), (height, height, width, width), strict=True
            )
        )
        if top + bottom >= height or left + right >= width:
            raise UserError(
                f'{results.get("img_path", "an image")}: is {height} x {width} where MarkMargins '
                f'stands, and nothing is left between the margins {self.margins}'
            )
        mask = np.zeros((height, width), np.uint8)
        mask[top : height - bottom, left : width - right] = 1
        results[KEY] = mask
        results['seg_fields'] = [*results.get('seg_fields', ()), KEY]
        return results

    def __repr__(self) -> str:
        sides = ', '.join(f'{side}={margin}' for side, margin in self.margins.items())
        return f'{type(self).__name__}({sides})'


@TRANSFORMS.register_module()
class PadWithMarks(Pad):
    """mmcv's ``Pad``, which also pads what :class:`MarkMargins` marked: nothing there is valid."""

    def _pad_seg(self, results: dict[str, Any]) -> None:
        super()._pad_seg(results)
        if KEY in results:
            results[KEY] = mmcv.impad(results[KEY], shape=results['pad_shape'][:2], pad_val=0)


@TRANSFORMS.register_module()
class PackTargetInputs(PackSegInputs):
    """mmseg's ``PackSegInputs``, which also packs what :class:`MarkMargins` marked.

    Raises:
        UserError: Image and marks differ in size: something changed one of them alone.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack; ``valid_mask`` becomes (1, H, W), bool: nothing that a turn or padding added."""
        if KEY in results and results[KEY].shape != results['img'].shape[:2]:
            ours, theirs = (' x '.join(map(str, results[k].shape[:2])) for k in ('img', KEY))
            raise UserError(
                f'{results.get("img_path", "an image")}: the image is {ours}, but its marks are '
                f'{theirs}, of MarkMargins: transforms after it have to change both. Take '
                'PadWithMarks in place of Pad'
            )
        packed = super().transform(results)
        if KEY in results:
            valid = torch.from_numpy(np.ascontiguousarray(results[KEY] == 1))
            packed['data_samples'].set_data({KEY: PixelData(data=valid[None])})
        return packed
