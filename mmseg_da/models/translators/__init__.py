"""Networks and functions that change the look of images, and what training them needs."""

from mmseg_da.models.translators.base import Translator
from mmseg_da.models.translators.cycle import CycleTranslator
from mmseg_da.models.translators.fourier import FourierTranslator
from mmseg_da.models.translators.frozen import FrozenTranslator
from mmseg_da.models.translators.generators import ResnetGenerator, UnetGenerator
from mmseg_da.models.translators.image_pool import ImagePool
from mmseg_da.models.translators.per_source import PerSourceTranslator
from mmseg_da.models.translators.semantics import SemanticConsistency

__all__ = [
    'CycleTranslator',
    'FourierTranslator',
    'FrozenTranslator',
    'ImagePool',
    'PerSourceTranslator',
    'ResnetGenerator',
    'SemanticConsistency',
    'Translator',
    'UnetGenerator',
]
