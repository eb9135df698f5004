"""Runner, wrappers and optimizers: how mmengine trains a phased model."""

from mmseg_da.engine.hooks import DivergenceHook, SafeCheckpointHook
from mmseg_da.engine.loops import ExactTrainLoop
from mmseg_da.engine.optimizers import (
    CpuAmpOptimWrapper,
    PartwiseOptimWrapper,
    PartwiseOptimWrapperConstructor,
)
from mmseg_da.engine.runner import DomainAdaptationRunner
from mmseg_da.engine.wrappers import PhasedDDP

__all__ = [
    'CpuAmpOptimWrapper',
    'DivergenceHook',
    'DomainAdaptationRunner',
    'ExactTrainLoop',
    'PartwiseOptimWrapper',
    'PartwiseOptimWrapperConstructor',
    'PhasedDDP',
    'SafeCheckpointHook',
]
