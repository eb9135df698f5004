"""The terms that methods are made of."""

from mmseg_da.models.objectives.alignment import OutputAlignment
from mmseg_da.models.objectives.base import Objective
from mmseg_da.models.objectives.feature_alignment import FeatureAlignment
from mmseg_da.models.objectives.pseudo_supervision import PseudoSupervision
from mmseg_da.models.objectives.supervision import SourceSupervision

__all__ = [
    'FeatureAlignment',
    'Objective',
    'OutputAlignment',
    'PseudoSupervision',
    'SourceSupervision',
]
