"""What a teacher says about the target, and how images are normalised."""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_da.functional import denormalise, full_precision, normalise


class Teaching:
    """The pseudo labels of one iteration; the teacher is asked once, by whoever comes first.

    Args:
        net: The teacher's network.
        images: Normalised target images (N, 3, H, W).
        flips: Ask about the mirrored images, too, and take the mean of the probabilities.
    """

    def __init__(self, net: EncoderDecoder, images: Tensor, flips: bool = False) -> None:
        self._net, self._images, self._flips = net, images, flips

    @property
    def asked(self) -> bool:
        """Whether there is a verdict already."""
        return 'verdict' in vars(self)

    @cached_property
    @torch.no_grad()
    def verdict(self) -> tuple[Tensor, Tensor]:
        """Classes (N, H, W), int64, and their probabilities, of the decode head."""
        shares = self._shares(self._images)
        if self._flips:
            shares = (shares + self._shares(self._images.flip(-1)).flip(-1)) / 2
        confidence, labels = shares.max(dim=1)
        return labels, confidence

    def _shares(self, images: Tensor) -> Tensor:
        scores = F.interpolate(
            self._net(images, mode='tensor'),
            images.shape[-2:],
            mode='bilinear',
            align_corners=self._net.align_corners,
        )
        return full_precision(scores).softmax(dim=1)


@dataclass(frozen=True)
class Look:
    """How the images of a domain are normalised.

    Attributes:
        mean: Per channel (3, 1, 1), of pixels in [0, 255].
        std: The same.
        is_rgb: The order of channels; else BGR.
    """

    mean: Tensor
    std: Tensor
    is_rgb: bool

    def to_unit(self, images: Tensor) -> Tensor:
        """RGB in [0, 1] of normalised images (N, 3, H, W)."""
        return denormalise(images, self.mean, self.std, from_bgr=not self.is_rgb) / 255

    def to_images(self, unit: Tensor) -> Tensor:
        """The inverse of :meth:`to_unit`."""
        return normalise(unit * 255, self.mean, self.std, to_bgr=not self.is_rgb)
