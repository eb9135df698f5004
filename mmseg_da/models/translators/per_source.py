"""A translator for each of several sources."""

import math
from collections.abc import Sequence

import torch
from mmengine.model import ModuleDict
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.models.translators.base import Translator
from mmseg_da.registry import MODELS
from mmseg_da.structures import origins_of


@MODELS.register_module()
class PerSourceTranslator(Translator):
    """Translates each source image by the translator of its source, as MADAN does.

    Zhao et al., *Multi-source Domain Adaptation for Semantic Segmentation*, NeurIPS 2019, section
    3.1. Which source an image is from, ``source_index`` in its metainfo, is known to the host, so
    nothing waits for the device.

    Args:
        translators: Configs, one for each source in the order of the training data set; ``None``
            leaves that source's images as they are.

    Raises:
        UserError: It is no such list, or an entry is no ``Translator``; in training, an image is of
            a source that has no entry.
    """

    def __init__(self, translators: Sequence[dict | None]) -> None:
        super().__init__()
        if isinstance(translators, str | dict) or not any(translators or ()):
            raise UserError(
                'PerSourceTranslator: translators has to be a list of translators, one for each source, '
                f'not {translators!r}'
            )
        self.count = len(translators)
        self.translators = ModuleDict()
        for number, cfg in enumerate(translators):
            if cfg is None:
                continue
            built = MODELS.build(cfg)
            if not isinstance(built, Translator) or isinstance(built, PerSourceTranslator):
                raise UserError(
                    f'PerSourceTranslator: translators[{number}], {cfg.get("type")}, is not a '
                    'Translator of one source'
                )
            self.translators[str(number)] = built
        own = list(self.translators.values())
        self.divisor = math.lcm(*(each.divisor for each in own))
        self.min_size = max(each.min_size for each in own)
        self.tileable = all(each.tileable for each in own)

    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        """Not without knowing the sources.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError('PerSourceTranslator translates by source: call translate_samples')

    @torch.no_grad()
    def translate_samples(
        self, source: Tensor, target: Tensor, samples: Sequence[SegDataSample]
    ) -> Tensor:
        origins = origins_of(samples)
        if max(origins) >= self.count:
            raise UserError(
                f'PerSourceTranslator: {self.count} translators, but an image is of source '
                f'{max(origins)}: give one for each source, None for one to leave as it is'
            )
        looks = list(source)
        for number in sorted(set(origins)):
            places = [place for place, origin in enumerate(origins) if origin == number]
            if str(number) in self.translators:
                pairs = (_taken(domain, places) for domain in (source, target))
                translated = self.translators[str(number)].translate(*pairs)
                for place, look in zip(places, translated, strict=True):
                    looks[place] = look
        return torch.stack(looks)


def _taken(images: Tensor, places: Sequence[int]) -> Tensor:
    """Some images of a batch. Slices, because a list of numbers would be copied to the device."""
    if len(places) == len(images):
        return images
    return torch.stack([images[place % len(images)] for place in places])
