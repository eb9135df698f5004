"""A trained generator as a translator."""

import torch
from torch import Tensor
from typing_extensions import Self

from mmseg_da.errors import UserError
from mmseg_da.functional import from_unit_range, resized, to_unit_range
from mmseg_da.models.translators.base import Translator
from mmseg_da.models.weights import load_part
from mmseg_da.registry import MODELS

DIRECTIONS = ('source_to_target', 'target_to_source')


@MODELS.register_module()
class FrozenTranslator(Translator):
    """Translates with a generator that ``CycleTranslator`` has trained.

    The weights are read when a training starts; from then on they travel in its own checkpoints,
    so that with ``DomainAdaptationRunner`` neither a resume nor a test needs the other file.

    Args:
        generator: Config of the generator, as it was trained.
        checkpoint: A checkpoint of that training; ``None`` leaves the generator as it was built.
        direction: Which of the two generators: ``'source_to_target'`` or ``'target_to_source'``.
        scale: Images are resized by this factor, to sides that the generator takes, translated and
            resized back, so that the generator sees things as large as in its training.

    Raises:
        UserError: ``scale`` is not positive.
    """

    def __init__(
        self,
        generator: dict,
        checkpoint: str | None = None,
        direction: str = DIRECTIONS[0],
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        if scale <= 0:
            raise UserError(f'model.translator.scale is {scale}, but has to be above 0')
        self.scale = scale
        self.generator = MODELS.build(generator).requires_grad_(False).eval()
        self.checkpoint, self.direction = checkpoint, direction
        self.divisor = getattr(self.generator, 'divisor', 1)
        self.min_size = getattr(self.generator, 'min_size', 1)

    def init_weights(self) -> None:
        """Read the checkpoint.

        Raises:
            UserError: It holds no generator, or another one.
        """
        if self.checkpoint is not None:
            prefixes = (f'generators.{self.direction}.', 'translator.generator.', '')
            load_part(self.generator, self.checkpoint, prefixes, 'generator')

    def train(self, mode: bool = True) -> Self:
        """Stay as in inference: it is not trained."""
        return super().train(False)

    @torch.no_grad()
    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        if self.scale == 1:
            return from_unit_range(self.generator(to_unit_range(source)))
        seen = resized(source, [self._fit(self.scale * side) for side in source.shape[-2:]])
        translated = from_unit_range(self.generator(to_unit_range(seen)))
        return resized(translated, source.shape[-2:])

    def _fit(self, side: float) -> int:
        """The nearest length that the generator takes."""
        return max(round(side / self.divisor) * self.divisor, self.min_size)
