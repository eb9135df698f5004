"""The VGG-16 of FCN8s."""

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmseg_da.registry import MODELS

BLOCKS = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # width over the first, convolutions
POOL3, POOL4 = 16, 23  # where these are among the layers of torchvision's VGG-16
PADDING = 100


@MODELS.register_module()
class FCNVGG16(BaseModule):
    """VGG-16 with its fully connected layers as convolutions (Long et al., 2015, section 4.1).

    Pools round up, and the first convolution pads by 100, so that images of any size give features;
    :class:`FCN8sHead` crops the surplus. Parameters are named as in torchvision, whose ImageNet
    weights ``init_cfg=dict(type='Pretrained', checkpoint='torchvision://vgg16')`` loads, those of
    the fully connected layers included.

    Args:
        base_channels: Width of the first convolution.
        fc_channels: Width of fc6 and fc7.
        dropout: Probability of dropping a channel of fc6 and of fc7.
        init_cfg: As in mmengine; without it weights are N(0, 2 / fan out).
    """

    def __init__(
        self,
        base_channels: int = 64,
        fc_channels: int = 4096,
        dropout: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d'))
        layers: list[nn.Module] = []
        before = 3
        for factor, number in BLOCKS:
            width = factor * base_channels
            for _ in range(number):
                padding = 1 if layers else PADDING
                layers += [nn.Conv2d(before, width, 3, padding=padding), nn.ReLU(inplace=True)]
                before = width
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Conv2d(before, fc_channels, 7),
            nn.ReLU(inplace=True),
            nn.Dropout2d(dropout),
            nn.Conv2d(fc_channels, fc_channels, 1),
            nn.ReLU(inplace=True),
            nn.Dropout2d(dropout),
        )
        self._register_load_state_dict_pre_hook(self._take_fully_connected)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What FCN8s needs of normalised images (N, 3, H, W).

        Returns:
            The images themselves, whose size the head crops to, and the outputs of the third pool,
            the fourth pool and fc7. The last has ``fc_channels``.
        """
        x, pools = images, []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in (POOL3, POOL4):
                pools.append(x)
        return images, *pools, self.classifier(x)

    def _take_fully_connected(self, state_dict: dict, prefix: str, *_: Any) -> None:
        """Let a checkpoint of VGG-16 load: its matrices are the weights of our convolutions."""
        for name, parameter in self.classifier.named_parameters():
            given = state_dict.get(f'{prefix}classifier.{name}')
            if given is not None and given.dim() == 2 and given.numel() == parameter.numel():
                state_dict[f'{prefix}classifier.{name}'] = given.view_as(parameter)
