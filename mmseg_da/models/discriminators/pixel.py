"""The fully convolutional discriminator of AdaptSegNet."""

import itertools

from torch import nn

from mmseg_da.registry import MODELS


@MODELS.register_module()
class PixelDiscriminator(nn.Sequential):
    """Judges the domain of score maps patch by patch (Tsai et al., 2018, section 3.2).

    Convolutions 4x4 of stride 2 and padding 1 with bias, LeakyReLU 0.2 after all but the last, no
    normalisation, no sigmoid, torch's default initialisation. Maps (N, C, H, W) to raw verdicts
    (N, 1, H / 2^n, W / 2^n) with n convolutions; with the default five, one verdict sees 94 pixels
    and the input must have at least 32 pixels a side.

    Args:
        in_channels: C, the number of classes for score maps.
        channels: Width of the first convolution; it doubles with each further one.
        num_convs: Number of convolutions, the last one included.
    """

    def __init__(self, in_channels: int, channels: int = 64, num_convs: int = 5) -> None:
        widths = [in_channels, *(channels * 2**i for i in range(num_convs - 1))]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1),
                nn.LeakyReLU(negative_slope=0.2, inplace=True),
            ]
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, kernel_size=4, stride=2, padding=1))
