"""Samplers of source and target pairs."""

from mmseg_da.datasets.samplers.source_target import Draw, SourceTargetSampler

__all__ = ['Draw', 'SourceTargetSampler']
