"""The dilated residual network of CyCADA."""

from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.registry import MODELS

# Of each level: width over `base_channels`, stride, dilation, and whether its blocks add their input.
LEVELS = (
    (1, 1, 1, True),
    (2, 2, 1, True),
    (4, 2, 1, True),
    (8, 2, 1, True),
    (16, 1, 2, True),
    (32, 1, 4, True),
    (32, 1, 2, False),
    (32, 1, 1, False),
)


@MODELS.register_module()
class DRN(BaseModule):
    """DRN-C, a ResNet of basic blocks that keeps an eighth of the resolution (Yu et al., 2017).

    A 7x7 stem of stride 1, then eight levels; the last two have no skip connections and smooth what
    dilation leaves as a grid. The defaults are DRN-C-26. Parameters are named as in the released
    code, whose ImageNet weights load by ``init_cfg``.

    Args:
        blocks: Number of basic blocks per level.
        base_channels: Width of the stem; 16 times 1, 2, 4, 8, 16, 32, 32, 32 are the widths.
        out_indices: Which levels, from 0, the features are of.
        norm_cfg: Normalisation, as in mmseg.
        init_cfg: As in mmengine; without it weights are N(0, 2 / fan out), as released.

    Raises:
        UserError: ``blocks`` or ``out_indices`` do not fit the eight levels.
    """

    def __init__(
        self,
        blocks: Sequence[int] = (1, 1, 2, 2, 2, 2, 1, 1),
        base_channels: int = 16,
        out_indices: Sequence[int] = (7,),
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d'))
        if len(blocks) != len(LEVELS) or min(blocks) < 1:
            raise UserError(f'DRN: blocks={tuple(blocks)} must be eight numbers of 1 or more')
        if not set(out_indices) <= set(range(len(LEVELS))):
            raise UserError(f'DRN: out_indices={tuple(out_indices)} must be of 0 to 7')
        norm_cfg = norm_cfg or dict(type='BN', requires_grad=True)
        self.out_indices = tuple(out_indices)
        self.conv1 = nn.Conv2d(3, base_channels, 7, padding=3, bias=False)
        self.bn1 = build_norm_layer(norm_cfg, base_channels)[1]
        self.relu = nn.ReLU(inplace=True)
        before = base_channels
        for i, (number, level) in enumerate(zip(blocks, LEVELS, strict=True)):
            factor, stride, dilation, residual = level
            width = factor * base_channels
            layers = [
                _Block(
                    before if j == 0 else width,
                    width,
                    stride if j == 0 else 1,
                    dilation,
                    residual,
                    norm_cfg,
                )
                for j in range(number)
            ]
            self.add_module(f'layer{i + 1}', nn.Sequential(*layers))
            before = width

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Features of the chosen levels of normalised images (N, 3, H, W).

        Those of the last have 32 * ``base_channels`` channels and H / 8, W / 8 pixels, rounded up.
        """
        x = self.relu(self.bn1(self.conv1(images)))
        feats = []
        for i in range(max(self.out_indices) + 1):
            x = getattr(self, f'layer{i + 1}')(x)
            feats.append(x)
        return tuple(feats[i] for i in self.out_indices)


class _Block(nn.Module):
    """Two 3x3 convolutions, both dilated (those of mmseg's BasicBlock are not), plus their input."""

    def __init__(
        self,
        before: int,
        width: int,
        stride: int,
        dilation: int,
        residual: bool,
        norm_cfg: dict,
    ) -> None:
        super().__init__()

        def conv(channels: int, stride: int) -> nn.Conv2d:
            return nn.Conv2d(channels, width, 3, stride, dilation, dilation, bias=False)

        self.residual = residual
        self.conv1, self.conv2 = conv(before, stride), conv(width, 1)
        self.bn1, self.bn2 = (build_norm_layer(norm_cfg, width)[1] for _ in range(2))
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if residual and (stride != 1 or before != width):
            self.downsample = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False),
                build_norm_layer(norm_cfg, width)[1],
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.residual:
            y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)
