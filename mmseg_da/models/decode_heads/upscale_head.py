"""A small decoder for the tokens of a plain vision transformer."""

from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmseg_da.registry import MODELS


class _LayerNorm2d(nn.LayerNorm):
    """Over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@MODELS.register_module()
class UpscaleHead(BaseDecodeHead):
    """Two transposed convolutions that double the size, a 3x3 convolution, and the scores.

    VFM-UDA (Englert et al., CVPRW 2024), section 3, as released: C, C/2 and C/4 channels, layer norm
    after each, and a GELU after the first.

    Args:
        in_channels: C of the backbone.
        **kwargs: Arguments of ``BaseDecodeHead``.
    """

    def __init__(self, in_channels: int, **kwargs: Any) -> None:
        half, quarter = in_channels // 2, in_channels // 4
        own = dict(
            dropout_ratio=0.0,
            init_cfg=dict(type='Normal', std=0.1, override=dict(name='conv_seg')),
        )
        super().__init__(in_channels=in_channels, channels=quarter, **own | kwargs)
        self.conv_seg = nn.Conv2d(quarter, self.out_channels, 1, bias=False)
        self.upscale = nn.Sequential(
            nn.ConvTranspose2d(in_channels, half, 2, stride=2, bias=False),
            _LayerNorm2d(half, eps=1e-6),
            nn.GELU(),
            nn.ConvTranspose2d(half, quarter, 2, stride=2, bias=False),
            _LayerNorm2d(quarter, eps=1e-6),
            nn.Conv2d(quarter, quarter, 3, padding=1, bias=False),
            _LayerNorm2d(quarter, eps=1e-6),
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Scores (N, classes, 4h, 4w) of features (N, C, h, w)."""
        return self.cls_seg(self.upscale(self._transform_inputs(inputs)))
