"""The classifier of FCN8s."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmseg_da.registry import MODELS

POOL3_SCALE, POOL4_SCALE = 1e-4, 1e-2
POOL4_OFFSET, POOL3_OFFSET, IMAGE_OFFSET = 5, 9, 31  # what the padding of 100 makes of each map


@MODELS.register_module()
class FCN8sHead(BaseDecodeHead):
    """Scores of fc7, pool4 and pool3 of :class:`FCNVGG16`, summed (Long et al., 2015, section 4.2).

    The variant that is trained at once: skips are scaled, by 1e-4 and 1e-2, and start at zero.
    Upsampling is bilinear and fixed, twofold, twofold, eightfold. Logits have the images' size.

    Args:
        in_channels: Channels of the images, of pool3, pool4 and fc7.
        **kwargs: Arguments of ``BaseDecodeHead``; ``channels`` and ``align_corners`` have no effect.

    Attributes:
        classifiers: Names of the layers that give a score per class.
    """

    classifiers = ('conv_seg', 'score_pool3', 'score_pool4')

    def __init__(self, in_channels: Sequence[int] = (3, 256, 512, 4096), **kwargs: Any) -> None:
        fixed = dict(in_index=(0, 1, 2, 3), input_transform='multiple_select', dropout_ratio=0)
        kwargs |= dict(in_channels=tuple(in_channels), channels=in_channels[-1], init_cfg=None)
        super().__init__(**kwargs | fixed)  # conv_seg scores fc7, with torch's initialisation
        self.score_pool3 = nn.Conv2d(in_channels[1], self.out_channels, 1)
        self.score_pool4 = nn.Conv2d(in_channels[2], self.out_channels, 1)
        for factor in (2, 8):
            self.register_buffer(f'bilinear{factor}', _bilinear(factor), persistent=False)

    def init_weights(self) -> None:
        """The skips start at zero, the scores of fc7 as torch made them."""
        super().init_weights()
        for layer in (self.score_pool3, self.score_pool4):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Scores (N, num_classes, H, W) at the size of the images."""
        images, pool3, pool4, fc7 = self._transform_inputs(inputs)
        scores = _upsample(self.cls_seg(fc7), self.bilinear2)
        skip = self.score_pool4(POOL4_SCALE * pool4)
        scores = _upsample(scores + _crop(skip, scores, POOL4_OFFSET), self.bilinear2)
        skip = self.score_pool3(POOL3_SCALE * pool3)
        scores = _upsample(scores + _crop(skip, scores, POOL3_OFFSET), self.bilinear8)
        return _crop(scores, images, IMAGE_OFFSET)


def _bilinear(factor: int) -> Tensor:
    """The kernel (1, 1, 2 * factor, 2 * factor) of bilinear upsampling."""
    places = torch.arange(2 * factor, dtype=torch.float32)
    line = 1 - (places - (factor - 0.5)).abs() / factor
    return (line[:, None] * line)[None, None]


def _upsample(scores: Tensor, kernel: Tensor) -> Tensor:
    """Each channel by itself; with the border that a transposed convolution adds."""
    channels = scores.shape[1]
    kernel = kernel.expand(channels, *kernel.shape[1:])
    return F.conv_transpose2d(scores, kernel, stride=kernel.shape[-1] // 2, groups=channels)


def _crop(scores: Tensor, like: Tensor, offset: int) -> Tensor:
    height, width = like.shape[-2:]
    return scores[..., offset : offset + height, offset : offset + width]
