"""Samplers of source and target images."""

from mmseg_da.datasets.samplers.shares import Shares, whole_shares
from mmseg_da.datasets.samplers.source_target import Draw, SourceTargetSampler

__all__ = ['Draw', 'Shares', 'SourceTargetSampler', 'whole_shares']
