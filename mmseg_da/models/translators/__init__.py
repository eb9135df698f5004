"""Networks and functions that change the look of images."""

from mmseg_da.models.translators.base import Translator
from mmseg_da.models.translators.frozen import FrozenTranslator

__all__ = ['FrozenTranslator', 'Translator']
