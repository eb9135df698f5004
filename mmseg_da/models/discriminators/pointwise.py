"""The discriminator of CyCADA's feature stage."""

import itertools
from collections.abc import Sequence

from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.registry import MODELS


@MODELS.register_module()
class PointwiseDiscriminator(nn.Sequential):
    """Judges each pixel by its own scores or features (Hoffman et al., 2018; ADDA, Tzeng et al., 2017).

    Convolutions 1x1 with bias; between them whole channels are dropped, then ReLU. Torch's default
    initialisation. Maps (N, C, H, W) to raw verdicts (N, outputs, H, W). Released: ``(512, 256)``
    on scores, ``(1024, 512)`` on the 4096 channels of FCN8s, two outputs.

    Args:
        in_channels: C, the number of classes for score maps.
        channels: Width of each convolution but the last.
        outputs: 2 or more for a softmax over domains or sources, 1 for one logit.
        dropout: Probability of dropping a channel.

    Raises:
        UserError: ``outputs`` is no whole number of 1 or more.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int] = (512, 256),
        outputs: int = 2,
        dropout: float = 0.5,
    ) -> None:
        if not isinstance(outputs, int) or outputs < 1:
            raise UserError(
                f'PointwiseDiscriminator: outputs={outputs!r} is no whole number of 1 or more'
            )
        widths = [in_channels, *channels]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, kernel_size=1),
                nn.Dropout2d(dropout),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers, nn.Conv2d(widths[-1], outputs, kernel_size=1))
