"""The generators of CycleGAN: from an image to the same scene in another domain's look."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.models.layers import conv_bias, init_normal, norm_layer
from mmseg_da.registry import MODELS


class _Generator(BaseModule):
    """Images (N, C, H, W) in [-1, 1] to images of the same shape and range.

    Attributes:
        divisor: Of which the sides of images are multiples.
        min_size: The shortest side that the normalisation and the padding allow.
    """

    divisor: int
    min_size: int
    model: nn.Module

    def init_weights(self) -> None:
        """Weights N(0, 0.02), biases 0; then what ``init_cfg`` says, such as a checkpoint."""
        init_normal(self)
        super().init_weights()

    def forward(self, images: Tensor) -> Tensor:
        """Translate images (N, C, H, W) in [-1, 1].

        Raises:
            UserError: The images have a size that the network would change or cannot take.
        """
        self.require_size(*images.shape[-2:])
        return self.model(images)

    def require_size(self, height: int, width: int) -> None:
        """Raise a UserError, which names a size that fits, unless this one does."""
        sides = height, width
        if min(sides) >= self.min_size and not any(side % self.divisor for side in sides):
            return
        fits = (max(side // self.divisor * self.divisor, self.min_size) for side in sides)
        least = f', {self.min_size} at least' if self.min_size > self.divisor else ''
        raise UserError(
            f'images are {height}x{width}, but {type(self).__name__} needs sides that are multiples of '
            f'{self.divisor}{least}: set the crop to {"x".join(map(str, fits))} (height x width)'
        )


@MODELS.register_module()
class ResnetGenerator(_Generator):
    """The generator of residual blocks (Zhu et al., 2017, section 7.1; Johnson et al., 2016).

    Reflection padding and a 7x7 convolution, ``downs`` 3x3 convolutions of stride 2, ``blocks``
    residual blocks, as many 3x3 transposed convolutions of stride 2, 7x7, tanh; normalisation and
    ReLU after all but the last. Sides are multiples of ``2**downs``, twice that at least. Parameters
    are named as in the released PyTorch code.

    Args:
        blocks: Residual blocks; the paper has 9, and 6 for small images.
        channels: Width of the first convolution; each halving of the image doubles it.
        downs: How often the image is halved: twice in the paper. Once keeps what is small in
            images that are.
        norm: ``'instance'`` or ``'instance_affine'``, see :func:`mmseg_da.models.layers.norm_layer`.
        dropout: Probability of dropping a value inside of each residual block.
        in_channels: C, 3 for RGB.
        init_cfg: As in mmengine, e.g. a checkpoint.

    Raises:
        UserError: ``downs`` is less than 1.
    """

    def __init__(
        self,
        blocks: int = 9,
        channels: int = 64,
        downs: int = 2,
        norm: str = 'instance',
        dropout: float = 0.0,
        in_channels: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if downs < 1:
            raise UserError(f'ResnetGenerator: downs={downs}, but it halves images once at least')
        self.divisor, self.min_size = 2**downs, 2 ** (downs + 1)
        widths = [channels * 2**i for i in range(downs + 1)]
        bias = conv_bias(norm)

        def after(width: int) -> list[nn.Module]:
            return [norm_layer(norm, width), nn.ReLU(inplace=True)]

        layers = [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, channels, 7, bias=bias)]
        layers += after(channels)
        for width in widths[:-1]:
            layers.append(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=bias))
            layers += after(2 * width)
        layers += [_ResidualBlock(widths[-1], norm, dropout) for _ in range(blocks)]
        for width in widths[:0:-1]:
            layers.append(
                nn.ConvTranspose2d(
                    width, width // 2, 3, stride=2, padding=1, output_padding=1, bias=bias
                )
            )
            layers += after(width // 2)
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(channels, in_channels, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions with reflection padding, added to their input; no ReLU after that."""

    def __init__(self, channels: int, norm: str, dropout: float) -> None:
        super().__init__()

        def conv() -> list[nn.Module]:
            layer = nn.Conv2d(channels, channels, 3, bias=conv_bias(norm))
            return [nn.ReflectionPad2d(1), layer, norm_layer(norm, channels)]

        drop = [nn.Dropout(dropout)] if dropout else []
        self.conv_block = nn.Sequential(*conv(), nn.ReLU(inplace=True), *drop, *conv())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


@MODELS.register_module()
class UnetGenerator(_Generator):
    """The U-Net generator (Isola et al., 2017, section 6.1.1); of 256 pixels with 8 ``downs``.

    Each level halves the image by a 4x4 convolution, hands it down, doubles what comes back, and
    joins the two. Widths are ``channels`` times 1, 2, 4, 8, 8, ... Sides are multiples of
    ``2**downs``. Parameters are named as in the released PyTorch code.

    Args:
        downs: Number of levels.
        channels: Width of the outermost level.
        norm: ``'instance'`` or ``'instance_affine'``, see :func:`mmseg_da.models.layers.norm_layer`.
        dropout: Probability of dropping a value after the fifth level and those further in, but
            the innermost.
        in_channels: C, 3 for RGB.
        init_cfg: As in mmengine, e.g. a checkpoint.

    Raises:
        UserError: ``downs`` is less than 2.
    """

    def __init__(
        self,
        downs: int = 8,
        channels: int = 64,
        norm: str = 'instance',
        dropout: float = 0.0,
        in_channels: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if downs < 2:
            raise UserError(f'UnetGenerator: downs={downs}, but it needs 2 levels at least')
        self.divisor = self.min_size = 2**downs
        widths = [in_channels, *(channels * min(2**i, 8) for i in range(downs))]
        level = None
        for depth in reversed(range(downs)):
            level = _UnetLevel(
                *widths[depth : depth + 2],
                within=level,
                norm=norm,
                dropout=dropout if 4 <= depth < downs - 1 else 0.0,
                outermost=depth == 0,
            )
        self.model = level


class _UnetLevel(nn.Module):
    """One level of a U-Net, with all those within."""

    def __init__(
        self,
        outer: int,
        inner: int,
        within: '_UnetLevel | None',
        norm: str,
        dropout: float,
        outermost: bool,
    ) -> None:
        super().__init__()
        self.outermost = outermost
        bias = conv_bias(norm)
        down = [nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=bias)]
        up = nn.ConvTranspose2d(
            inner if within is None else 2 * inner, outer, 4, 2, padding=1, bias=bias or outermost
        )
        if not outermost:
            # In place, which also changes what `forward` joins; but the ReLU above cuts off what
            # is negative anyway, so that the output is the same, for a map less to hold.
            down = [nn.LeakyReLU(0.2, inplace=True), *down]
        if within is not None and not outermost:
            down.append(norm_layer(norm, inner))
        last = [nn.Tanh()] if outermost else [norm_layer(norm, outer)]
        if dropout:
            last.append(nn.Dropout(dropout))
        inside = [] if within is None else [within]
        self.model = nn.Sequential(*down, *inside, nn.ReLU(inplace=True), up, *last)

    def forward(self, x: Tensor) -> Tensor:
        if self.outermost:
            return self.model(x)
        from_below = self.model(x)
        return torch.cat([x, from_below], dim=1)
