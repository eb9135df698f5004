"""Samplers of source and target pairs."""

from mmseg_da.datasets.samplers.labelled import LabelledSampler
from mmseg_da.datasets.samplers.source_target import Draw, SourceTargetSampler

__all__ = ['Draw', 'LabelledSampler', 'SourceTargetSampler']
