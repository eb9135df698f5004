"""The iteration of FDA.

Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from literal.segmentor import rgb_pixels
from literal.source_only import LiteralSourceOnly
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


class LiteralFDA(LiteralSourceOnly):
    """Cross-entropy on swapped source images, robust entropy of the target's scores.

    Args:
        net: As in :class:`LiteralSourceOnly`.
        beta: As in :func:`swapped`.
        legacy: The same.
        clip: Cut swapped pixels to [0, 255].
        weight: Of the entropy; with 0 the target is forwarded all the same.
        eta: Its exponent; ``None`` takes the entropy as it is.
        epsilon: Added to its square.
        low_resolution: Take it of the scores as the head gives them, not at image size.
        switch: Iterations, counted from 0, up to which the entropy does not count.
        **others: As in :class:`LiteralSourceOnly`.
    """

    def __init__(
        self,
        net: nn.Module,
        beta: float,
        legacy: bool = False,
        clip: bool = False,
        weight: float = 0.005,
        eta: float | None = 2.0,
        epsilon: float = 1e-8,
        low_resolution: bool = True,
        switch: int = -1,
        **others: Any,
    ) -> None:
        super().__init__(net, **others)
        self.beta, self.legacy, self.clip = beta, legacy, clip
        self.weight, self.eta, self.epsilon = weight, eta, epsilon
        self.low_resolution, self.switch, self.iteration = low_resolution, switch, 0

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        source, target = (rgb_pixels(batch, each, self.dtype) for each in ('source', 'target'))
        look = target
        if target.shape != source.shape:
            size = source.shape[-2:]
            look = F.interpolate(target, size, mode='bilinear', antialias=True)
        source = swapped(source, look, self.beta, self.legacy)
        source = source.clamp(0, 255) if self.clip else source

        self.sgd.zero_grad()
        supervised = self.supervised(self.forward(self.normalised(source)), batch)
        supervised.backward()
        weight = self.weight if self.iteration > self.switch else 0.0
        robust = weight * self.robust_entropy(self.normalised(target))
        robust.backward()
        self.sgd.step()
        self.iteration += 1
        return dict(supervised=supervised.item(), entropy=robust.item())

    def robust_entropy(self, images: Tensor) -> Tensor:
        """The mean of the penalty over the pixels of all target images."""
        feats = self.net.backbone(images)
        scores = {name: head(feats) for name, head in self.heads.items()}['decode']
        if not self.low_resolution:
            scores = self.resized(scores, images)
        logs = F.log_softmax(scores, dim=1)
        entropy = -(logs.exp() * logs).sum(dim=1) / math.log(scores.shape[1])
        return (entropy if self.eta is None else (entropy**2 + self.epsilon) ** self.eta).mean()
