"""The backbone of DeepLabV2."""

from typing import Any

from mmseg.models.backbones import ResNet

from mmseg_da.registry import MODELS


@MODELS.register_module()
class CeilPoolResNet(ResNet):
    """mmseg's ResNet with the ceiling-mode stem pool of the Caffe models.

    With ``style='caffe'``, ``strides=(1, 2, 1, 1)``, ``dilations=(1, 1, 2, 4)`` and
    ``contract_dilation=False`` it is the ResNet of DeepLabV2, AdaptSegNet, ADVENT and FDA: a
    512 x 1024 image gives 65 x 129 features.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.maxpool.ceil_mode = True
