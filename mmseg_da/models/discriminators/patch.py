"""The patch discriminator of CycleGAN."""

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.models.layers import conv_bias, init_normal, norm_layer
from mmseg_da.registry import MODELS

KERNEL = 4


@MODELS.register_module()
class PatchDiscriminator(BaseModule):
    """Judges patches of images: 70x70 PatchGAN (Isola et al., 2017; Zhu et al., 2017, section 7.1).

    Convolutions 4x4: ``layers`` of stride 2, one of stride 1, and one of stride 1 to the verdict;
    normalisation after all but the first and the last, LeakyReLU 0.2 after all but the last, no
    sigmoid. Images (N, C, H, W), in [-1, 1] with generators, to raw verdicts (N, 1, h, w): 30x30
    for 256x256, 62x126 for 512x1024. With the default three layers a verdict sees 70 pixels a side.
    Parameters are named as in the released PyTorch code.

    Args:
        in_channels: C, 3 for RGB.
        channels: Width of the first convolution; it doubles with each further one, up to eightfold.
        layers: Convolutions of stride 2.
        norm: ``'instance'`` or ``'instance_affine'``, see :func:`mmseg_da.models.layers.norm_layer`.
        padding: Of every convolution: 1 as in PyTorch, 2 as in the Lua code.
        init_cfg: As in mmengine, e.g. a checkpoint.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: int = 64,
        layers: int = 3,
        norm: str = 'instance',
        padding: int = 1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.padding = padding
        self.strides = [2] * layers + [1, 1]
        widths = [in_channels, *(channels * min(2**i, 8) for i in range(layers + 1)), 1]
        stack: list[nn.Module] = []
        for i, stride in enumerate(self.strides):
            normed = 0 < i <= layers
            bias = conv_bias(norm) or not normed
            stack.append(nn.Conv2d(*widths[i : i + 2], KERNEL, stride, padding, bias=bias))
            if normed:
                stack.append(norm_layer(norm, widths[i + 1]))
            if i <= layers:
                stack.append(nn.LeakyReLU(0.2, inplace=True))
        self.model = nn.Sequential(*stack)
        self.min_size = next(side for side in range(1, 10_000) if self._takes(side))

    def init_weights(self) -> None:
        """Weights N(0, 0.02), biases 0; then what ``init_cfg`` says, such as a checkpoint."""
        init_normal(self)
        super().init_weights()

    def forward(self, images: Tensor) -> Tensor:
        """Raw verdicts (N, 1, h, w) on images (N, C, H, W).

        Raises:
            UserError: The images are smaller than one verdict needs.
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.min_size:
            raise UserError(
                f'images are {height}x{width}, but PatchDiscriminator needs sides of {self.min_size} '
                'pixels at least: crop bigger ones, or give it fewer layers'
            )
        return self.model(images)

    def _takes(self, side: int) -> bool:
        """Whether every map has a pixel, and those that are normalised several."""
        for i, stride in enumerate(self.strides):
            side = (side + 2 * self.padding - KERNEL) // stride + 1
            if side < (2 if 0 < i < len(self.strides) - 1 else 1):
                return False
        return True
