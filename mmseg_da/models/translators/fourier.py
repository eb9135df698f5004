"""The Fourier transform as a translator."""

import torch
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import resized, swap_low_frequencies
from mmseg_da.functional.fourier import SWAP_WINDOWS
from mmseg_da.models.translators.base import Translator
from mmseg_da.registry import MODELS

SIZE_MODES = ('resize', 'same')


@MODELS.register_module()
class FourierTranslator(Translator):
    """Gives each source image the low frequencies of the target image of its place in the batch.

    Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020. It has no
    weights and draws nothing at random: which target an image meets is the sampler's choice.

    Args:
        beta: Half the side of the swapped window as a share of the shorter side, in [0, 0.5).
        window: ``'symmetric'``, or ``'legacy'`` for that of the released training code, see
            :func:`mmseg_da.functional.swap_low_frequencies`.
        radius: The same half side in frequencies, instead of ``beta``: independent of the size.
        clip: Cut the pixels to [0, 255].
        size_mode: Target images of another size than the source's are resized to it by
            ``'resize'`` and refused by ``'same'``, for which the pipelines crop both alike.

    Raises:
        UserError: A setting is of the wrong kind or out of range.
    """

    tileable = False  # a part of an image has other frequencies than the whole

    def __init__(
        self,
        beta: float = 0.01,
        window: str = 'symmetric',
        radius: int | None = None,
        clip: bool = False,
        size_mode: str = 'resize',
    ) -> None:
        super().__init__()
        _require(_is_number(beta) and 0 <= beta < 0.5, 'beta', beta, 'a number in [0, 0.5)')
        whole = radius is None or (isinstance(radius, int) and _is_number(radius) and radius >= 0)
        _require(whole, 'radius', radius, 'None or a whole number of 0 or more')
        _require(window in SWAP_WINDOWS, 'window', window, f'one of {list(SWAP_WINDOWS)}')
        _require(size_mode in SIZE_MODES, 'size_mode', size_mode, f'one of {list(SIZE_MODES)}')
        _require(isinstance(clip, bool), 'clip', clip, 'True or False')
        self.beta, self.window, self.radius = beta, window, radius
        self.clip, self.size_mode = clip, size_mode

    @torch.no_grad()
    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        """Swap the low frequencies of a batch, image by image.

        Args:
            source: RGB pixels (N, 3, H, W) in [0, 255].
            target: RGB pixels of as many target images.

        Raises:
            UserError: There are more or fewer target images, they are of another size and
                ``size_mode`` is ``'same'``, or ``radius`` does not fit images so small.
        """
        size = source.shape[-2:]
        if len(target) != len(source):
            raise UserError(
                f'model.translator: FourierTranslator needs a target image for each of the '
                f'{len(source)} source images, not {len(target)}'
            )
        if target.shape[-2:] != size and self.size_mode == 'same':
            ours, theirs = ('x'.join(map(str, each.shape[-2:])) for each in (source, target))
            raise UserError(
                f"model.translator: size_mode='same', but source images are {ours} and target images "
                f"{theirs} (height x width): give both pipelines one size, or size_mode='resize'"
            )
        if self.radius is not None and 2 * self.radius >= min(size):
            raise UserError(
                f'model.translator.radius is {self.radius}, but has to be below {min(size) / 2:g}, '
                f'half the shorter side of images of {size[0]}x{size[1]}'
            )
        look = resized(target, size)
        return swap_low_frequencies(source, look, self.beta, self.window, self.radius, self.clip)

    def extra_repr(self) -> str:
        """What the log says of it."""
        window = f'beta={self.beta}' if self.radius is None else f'radius={self.radius}'
        return f'{window}, window={self.window!r}, clip={self.clip}, size_mode={self.size_mode!r}'


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(fits: bool, key: str, value: object, what: str) -> None:
    if not fits:
        raise UserError(f'model.translator.{key} is {value!r}, but has to be {what}')
