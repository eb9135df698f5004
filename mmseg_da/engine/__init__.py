"""Runner, wrappers and optimizers: how mmengine trains a phased model."""

from mmseg_da.engine.hooks import (
    AdaptationViewHook,
    ClosedGateHook,
    DivergenceHook,
    LossWeightHook,
    SafeCheckpointHook,
    StageReportHook,
)
from mmseg_da.engine.loops import ExactTrainLoop
from mmseg_da.engine.optimizers import (
    CpuAmpOptimWrapper,
    PartwiseOptimWrapper,
    PartwiseOptimWrapperConstructor,
)
from mmseg_da.engine.runner import DomainAdaptationRunner
from mmseg_da.engine.schedulers import LinearDecayLR
from mmseg_da.engine.staged_runner import StagedRunner
from mmseg_da.engine.wrappers import PhasedDDP

__all__ = [
    'AdaptationViewHook',
    'ClosedGateHook',
    'CpuAmpOptimWrapper',
    'DivergenceHook',
    'DomainAdaptationRunner',
    'ExactTrainLoop',
    'LinearDecayLR',
    'LossWeightHook',
    'PartwiseOptimWrapper',
    'PartwiseOptimWrapperConstructor',
    'PhasedDDP',
    'SafeCheckpointHook',
    'StageReportHook',
    'StagedRunner',
]
