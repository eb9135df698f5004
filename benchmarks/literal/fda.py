"""The iteration of FDA.

Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from literal.minent import LiteralMinEnt
from literal.segmentor import rgb_pixels
from torch import Tensor, nn


def swapped(source: Tensor, target: Tensor, beta: float, legacy: bool = False) -> Tensor:
    """Pixels with the low amplitudes of others of their size, by whole transforms.

    Args:
        source: Pixels (N, 3, H, W) in [0, 255].
        target: The same.
        beta: Half side of the window, as a share of the shorter side.
        legacy: Corners of b x b bins of the unshifted spectrum, as the training code takes them, not
            2b + 1 bins around the centre of the shifted one, as the code for NumPy does.
    """
    height, width = source.shape[-2:]
    b = math.floor(min(height, width) * beta)
    spectrum, model = torch.fft.fft2(source), torch.fft.fft2(target).abs()
    amplitude, phase = spectrum.abs(), spectrum.angle()
    if legacy and b > 0:
        for rows in (slice(0, b), slice(-b, None)):
            for columns in (slice(0, b), slice(-b, None)):
                amplitude[..., rows, columns] = model[..., rows, columns]
    elif not legacy:
        amplitude, model = (torch.fft.fftshift(each, (-2, -1)) for each in (amplitude, model))
        row, column = height // 2, width // 2
        rows, columns = slice(row - b, row + b + 1), slice(column - b, column + b + 1)
        amplitude[..., rows, columns] = model[..., rows, columns]
        amplitude = torch.fft.ifftshift(amplitude, (-2, -1))
    return torch.fft.ifft2(torch.polar(amplitude, phase)).real


class LiteralFDA(LiteralMinEnt):
    """MinEnt with the robust penalty, on source images in the look of the target.

    Args:
        net: As in :class:`LiteralMinEnt`.
        beta: As in :func:`swapped`.
        legacy: The same.
        clip: Cut swapped pixels to [0, 255].
        weight: Of the entropy; with 0 the target is forwarded all the same.
        robust: As in :class:`LiteralMinEnt`, as is ``full_size``.
        switch: Iterations that are to be done, and one more, before the entropy counts.
        **others: As in :class:`LiteralMinEnt`.
    """

    def __init__(
        self,
        net: nn.Module,
        beta: float,
        legacy: bool = False,
        clip: bool = False,
        weight: float = 0.005,
        robust: tuple[float, float] | None = (2.0, 1e-8),
        full_size: bool = False,
        switch: int = -1,
        **others: Any,
    ) -> None:
        super().__init__(net, {}, robust=robust, full_size=full_size, **others)
        self.beta, self.legacy, self.clip = beta, legacy, clip
        self.weight, self.switch, self.iteration = weight, switch, 0

    def images(self, batch: dict, domain: str) -> Tensor:
        if domain == 'target':
            return super().images(batch, domain)
        source, target = (rgb_pixels(batch, each, self.dtype) for each in ('source', 'target'))
        if target.shape != source.shape:
            size = source.shape[-2:]
            target = F.interpolate(target, size, mode='bilinear', antialias=True)
        pixels = swapped(source, target, self.beta, self.legacy)
        return self.normalised(pixels.clamp(0, 255) if self.clip else pixels)

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        self.weights = dict(decode=self.weight if self.iteration > self.switch else 0.0)
        self.iteration += 1
        return super().step(batch)
