"""Parts, phases and objectives: what is trained, and with which terms."""

from mmseg_da.models.adaptors import AlternatingAdaptor, DomainAdaptor
from mmseg_da.models.backbones import CeilPoolResNet
from mmseg_da.models.data_preprocessor import DomainPreprocessor
from mmseg_da.models.decode_heads import ASPPV2Head
from mmseg_da.models.discriminators import PixelDiscriminator
from mmseg_da.models.objectives import (
    FeatureAlignment,
    Objective,
    OutputAlignment,
    SourceSupervision,
)
from mmseg_da.models.phased import Phase, PhasedModel, Stage

__all__ = [
    'ASPPV2Head',
    'AlternatingAdaptor',
    'CeilPoolResNet',
    'DomainAdaptor',
    'DomainPreprocessor',
    'FeatureAlignment',
    'Objective',
    'OutputAlignment',
    'Phase',
    'PhasedModel',
    'PixelDiscriminator',
    'SourceSupervision',
    'Stage',
]
