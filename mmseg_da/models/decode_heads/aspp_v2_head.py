"""The classifier of DeepLabV2."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmseg_da.registry import MODELS


@MODELS.register_module()
class ASPPV2Head(BaseDecodeHead):
    """Parallel dilated 3x3 convolutions from features to classes, summed (Chen et al., 2017).

    No normalisation, activation, dropout or image pooling. Weights start as N(0, 0.01), biases as
    torch's default.

    Args:
        dilations: One branch each. ``(6, 12, 18, 24)`` is the paper's and what ADVENT, FDA and BDL
            train; ``(6, 12)`` is what AdaptSegNet's released code sums.
        **kwargs: Arguments of ``BaseDecodeHead``; ``channels`` has no effect.

    Attributes:
        classifiers: Names of the layers that give a score per class.
    """

    classifiers = ('branches',)

    def __init__(self, dilations: Sequence[int] = (6, 12, 18, 24), **kwargs: Any) -> None:
        kwargs.setdefault('channels', kwargs.get('num_classes'))
        super().__init__(**kwargs | dict(dropout_ratio=0, init_cfg=None))
        del self.conv_seg  # the branches classify; an unused layer would never get a gradient
        self.branches = nn.ModuleList(
            nn.Conv2d(
                self.in_channels, self.out_channels, kernel_size=3, padding=rate, dilation=rate
            )
            for rate in dilations
        )

    def init_weights(self) -> None:
        """Weights N(0, 0.01); biases stay as torch made them."""
        super().init_weights()
        for branch in self.branches:
            nn.init.normal_(branch.weight, std=0.01)

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """Scores (N, num_classes, H_i, W_i) at the resolution of the chosen features."""
        features = self._transform_inputs(inputs)
        return sum(branch(features) for branch in self.branches)
