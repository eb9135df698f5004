"""The terms that methods are made of."""

from mmseg_da.models.objectives.alignment import OutputAlignment
from mmseg_da.models.objectives.base import Objective
from mmseg_da.models.objectives.class_prior import ClassPrior
from mmseg_da.models.objectives.feature_alignment import FeatureAlignment
from mmseg_da.models.objectives.feature_distance import FeatureDistance
from mmseg_da.models.objectives.jittered_supervision import JitteredSupervision
from mmseg_da.models.objectives.masked_consistency import MaskedConsistency
from mmseg_da.models.objectives.pseudo_supervision import PseudoSupervision
from mmseg_da.models.objectives.self_training import SelfTraining
from mmseg_da.models.objectives.source_confusion import SourceConfusion
from mmseg_da.models.objectives.supervision import LabelledTargetSupervision, SourceSupervision
from mmseg_da.models.objectives.target_entropy import TargetEntropy

__all__ = [
    'ClassPrior',
    'FeatureAlignment',
    'FeatureDistance',
    'JitteredSupervision',
    'LabelledTargetSupervision',
    'MaskedConsistency',
    'Objective',
    'OutputAlignment',
    'PseudoSupervision',
    'SelfTraining',
    'SourceConfusion',
    'SourceSupervision',
    'TargetEntropy',
]
