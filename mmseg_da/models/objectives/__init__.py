"""The terms that methods are made of."""

from mmseg_da.models.objectives.alignment import OutputAlignment
from mmseg_da.models.objectives.base import Objective
from mmseg_da.models.objectives.feature_alignment import FeatureAlignment
from mmseg_da.models.objectives.supervision import LabelledTargetSupervision, SourceSupervision

__all__ = [
    'FeatureAlignment',
    'LabelledTargetSupervision',
    'Objective',
    'OutputAlignment',
    'SourceSupervision',
]
