"""Images of any size through a translator."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import by_tiles, reflect_to
from mmseg_da.models.translators import Translator
from mmseg_da.models.translators.instance_statistics import InstanceStatistics

_SMALLEST_TILE = 128
_NO_MEMORY = ("can't allocate memory", 'not enough memory', 'out of memory')
Result = TypeVar('Result')


class ImageTranslation:
    """Translates whole images, or tile by tile where they are large.

    Sizes that the translator cannot take are continued by their mirror image and cut again. Tiles
    of an image fade into each other and share the statistics of instance normalisation. If the
    memory is too small for whole images, it goes on with one at a time, then with tiles.

    Args:
        translator: Moved to the device, and used as in inference.
        device: Where it runs.
        tile: Height and width of the tiles; ``None`` translates whole images.
        overlap: Pixels that tiles share; ``None`` means a quarter of their shorter side.
        tell: Is told, in a sentence, that the memory is too small.

    Raises:
        UserError: The translator cannot take tiles, or not such, or they cannot overlap so much.
    """

    def __init__(
        self,
        translator: Translator,
        device: torch.device | str = 'cpu',
        tile: tuple[int, int] | None = None,
        overlap: int | None = None,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.device, self.tell = torch.device(device), tell
        self.translator = translator.to(self.device).eval()
        self.statistics = InstanceStatistics(translator)
        if overlap is not None and tile is None:
            raise UserError('--overlap is of tiles: give --tile HEIGHT WIDTH, too')
        self.tile, self.overlap = tile, overlap
        self._may_choose = tile is None and translator.tileable
        if tile is not None:
            self.overlap = min(tile) // 4 if overlap is None else overlap
            self._check_tile(tile)

    def _check_tile(self, tile: tuple[int, int]) -> None:
        if not self.translator.tileable:
            raise UserError(
                f'--tile: {type(self.translator).__name__} takes whole images only, because a part of '
                'an image would get another look than the whole: leave --tile out'
            )
        step, least = self.translator.divisor, max(self.translator.min_size, 2)
        if min(tile) < least or any(side % step for side in tile):
            fits = (max(side // step * step, least) for side in tile)
            raise UserError(
                f'--tile {tile[0]} {tile[1]}: sides have to be multiples of {step}, {least} at least, '
                f'e.g. --tile {" ".join(map(str, fits))}'
            )
        if not 0 < self.overlap <= min(tile) - step:
            raise UserError(
                f'--overlap {self.overlap}: tiles of {tile[0]}x{tile[1]} can share 1 to '
                f'{min(tile) - step} pixels'
            )

    @torch.no_grad()
    def __call__(self, images: Tensor, target: Tensor) -> Tensor:
        """Translate images of one size.

        Args:
            images: RGB pixels (N, 3, H, W), uint8, on the CPU.
            target: RGB pixels of target images, float32, for a translator that looks at them; if
                there are N, each belongs to the image of its place.

        Returns:
            The same, translated: rounded, cut to 0 to 255.

        Raises:
            UserError: The memory is too small even for small tiles, or for the tiles given; or the
                translator gives no numbers.
        """
        done = _if_memory_suffices(lambda: self._translate(images, target))
        if done is not None:
            return done
        if len(images) > 1:
            self.tell(f'memory is too small for {len(images)} images at once: one at a time')
            paired = target.split(1) if len(target) == len(images) else [target] * len(images)
            return torch.cat([self(*each) for each in zip(images.split(1), paired, strict=True)])
        self._choose_tile(images.shape[-2:])
        return self(images, target)

    def _choose_tile(self, size: torch.Size) -> None:
        """Take tiles, or smaller ones."""
        step, smallest = self.translator.divisor, max(_SMALLEST_TILE, self.translator.min_size)
        side = max(self.tile or size) // 2 // step * step
        if not self._may_choose or side < smallest:
            raise UserError(
                f'memory is too small for {"tiles" if self.tile else "images"} of '
                f'{"x".join(map(str, self.tile or size))}: give '
                f'{"a smaller --tile, or " if self.translator.tileable else ""}--device cpu'
            )
        self.tile, self.overlap = (side, side), side // 4
        self.tell(
            f'memory is too small for images of {size[0]}x{size[1]}: in tiles of {side}x{side}'
        )

    def _translate(self, images: Tensor, target: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        step, least = self.translator.divisor, self.translator.min_size
        fitting = (max(-(-side // step) * step, least) for side in (height, width))
        pixels = reflect_to(images.float(), *fitting)
        target = target.to(self.device)
        translated = self._whole_or_tiles(pixels, target)[..., :height, :width]
        if not translated.isfinite().all():
            raise UserError(
                'the translator gives NaN or infinite pixels: did its training diverge?'
            )
        return translated.round().clamp(0, 255).to(torch.uint8)

    def _whole_or_tiles(self, pixels: Tensor, target: Tensor) -> Tensor:
        def translate(part: Tensor) -> Tensor:
            return self.translator.translate(part.to(self.device), target).float().cpu()

        tile = self.tile
        if tile is None or all(
            side <= of for side, of in zip(pixels.shape[-2:], tile, strict=True)
        ):
            return translate(pixels)

        def tiled() -> Tensor:
            return by_tiles(translate, pixels, tile, self.overlap, self.translator.divisor)

        if not self.statistics.layers:
            return tiled()
        with self.statistics.measuring():
            tiled()
        with self.statistics.applied():
            return tiled()


def _if_memory_suffices(compute: Callable[[], Result]) -> Result | None:
    """The result, or ``None``. What the attempt held is free by then."""
    try:
        return compute()
    except RuntimeError as error:  # torch.cuda.OutOfMemoryError is one
        if not any(words in str(error) for words in _NO_MEMORY):
            raise
    return None
