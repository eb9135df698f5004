"""Samplers of source and target images."""

from mmseg_da.datasets.samplers.labelled import LabelledSampler
from mmseg_da.datasets.samplers.shares import Shares, whole_shares
from mmseg_da.datasets.samplers.source_target import Draw, SourceTargetSampler

__all__ = ['Draw', 'LabelledSampler', 'Shares', 'SourceTargetSampler', 'whole_shares']
