"""Strong augmentation on the device: colour jitter and blur."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_da.functional.precision import full_precision, no_autocast

JITTERS = ('brightness', 'contrast', 'saturation', 'hue')


def colour_jitter(image: Tensor, factors: Sequence[float], order: Sequence[int]) -> Tensor:
    """Change brightness, contrast, saturation and hue.

    As the released codes of DACS (Tranheden et al., 2021) and DAFormer (Hoyer et al., 2022) had it
    of their library: brightness is *added*, and contrast does not keep the mean.

    Args:
        image: RGB in [0, 1] (3, H, W).
        factors: b, c, s and h: ``x + b - 1`` and ``x * c``, both cut to [0, 1]; the saturation is
            multiplied by s and cut, and h turns are added to the hue.
        order: Positions of these four in the order in which they apply.

    Returns:
        RGB in [0, 1] (3, H, W).
    """
    brightness, contrast, saturation, hue = factors
    steps = (
        lambda x: (x + (brightness - 1)).clamp(0, 1),
        lambda x: (x * contrast).clamp(0, 1),
        lambda x: _recoloured(x, scale=saturation),
        lambda x: _recoloured(x, turns=hue),
    )
    for number in order:
        image = steps[number](image)
    return image


def photometric_jitter(image: Tensor, factors: Sequence[float], order: Sequence[int]) -> Tensor:
    """The same, as torchvision's ``ColorJitter`` and VFM-UDA (Englert et al., 2024) have it.

    Args:
        image: RGB in [0, 1] (3, H, W).
        factors: b, c, s and h: ``x * b``; x moved away from the mean of its grey image by c, and from
            its grey image by s, each cut to [0, 1]; and h turns are added to the hue.
        order: Positions of these four in the order in which they apply.

    Returns:
        RGB in [0, 1] (3, H, W).
    """
    brightness, contrast, saturation, hue = factors
    steps = (
        lambda x: (x * brightness).clamp(0, 1),
        lambda x: _blended(x, _grey(x).mean(), contrast),
        lambda x: _blended(x, _grey(x), saturation),
        lambda x: _recoloured(x, turns=hue),
    )
    for number in order:
        image = steps[number](image)
    return image


def _grey(image: Tensor) -> Tensor:
    red, green, blue = image.unbind(0)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def _blended(image: Tensor, other: Tensor, share: float) -> Tensor:
    return (share * image + (1 - share) * other).clamp(0, 1)


def _recoloured(image: Tensor, scale: float = 1.0, turns: float = 0.0) -> Tensor:
    """Scale the saturation and turn the hue."""
    hue, saturation, value = to_hsv(image)
    return from_hsv(hue + turns, (saturation * scale).clamp(0, 1), value)


def to_hsv(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue in turns [0, 1), saturation and value in [0, 1], each (H, W), of RGB (3, H, W)."""
    red, green, blue = image.unbind(0)
    value, lowest = image.amax(dim=0), image.amin(dim=0)
    chroma = value - lowest
    safe = torch.where(chroma > 0, chroma, 1)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = torch.where(chroma > 0, hue / 6, 0).remainder(1)
    return hue, torch.where(value > 0, chroma / torch.where(value > 0, value, 1), 0), value


def from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """The inverse of :func:`to_hsv`; the hue may be any number of turns."""

    def channel(shift: int) -> Tensor:
        k = (shift + 6 * hue).remainder(6)
        return value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1)

    return torch.stack([channel(5), channel(3), channel(1)])


def blur_size(side: int) -> int:
    """The odd size of the kernel for a side of an image, about a tenth of it: 51 for 512."""
    tenth = math.ceil(0.1 * side)
    return math.floor(tenth - 0.5 + tenth % 2)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Blur with a Gaussian that is cut at a tenth of each side; borders reflect.

    Taps beyond nine sigma are less than the rounding of a double and left out. It is computed in
    float32 at least, whatever autocast says.

    Args:
        image: (C, H, W).
        sigma: In pixels, positive.
    """
    with no_autocast(image):
        return _blurred(full_precision(image), sigma).to(image.dtype)


def _blurred(image: Tensor, sigma: float) -> Tensor:
    for dim, side in ((1, image.shape[1]), (2, image.shape[2])):
        radius = min(blur_size(side) // 2, math.ceil(9 * sigma))
        if radius == 0:
            continue
        offset = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
        kernel = torch.exp(-(offset**2) / (2 * sigma**2))
        kernel = (kernel / kernel.sum()).view(1, 1, *((-1, 1) if dim == 1 else (1, -1)))
        padding = (0, 0, radius, radius) if dim == 1 else (radius, radius, 0, 0)
        padded = F.pad(image.unsqueeze(1), padding, mode='reflect')
        image = F.conv2d(padded, kernel).squeeze(1)
    return image
