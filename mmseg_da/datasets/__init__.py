"""Data sets, how pairs of them are drawn, and how their labels are converted."""

from mmseg_da.datasets.gta import GTADataset
from mmseg_da.datasets.samplers import Draw, SourceTargetSampler
from mmseg_da.datasets.source_target import SourceTargetDataset

__all__ = ['Draw', 'GTADataset', 'SourceTargetDataset', 'SourceTargetSampler']
