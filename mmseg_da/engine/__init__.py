"""Runner, wrappers and optimizers: how mmengine trains a phased model."""

from mmseg_da.engine.hooks import (
    AdaptationViewHook,
    ClassSurgeryHook,
    ClosedGateHook,
    DivergenceHook,
    LossWeightHook,
    NormEvalHook,
    PseudoLabelHook,
    SafeCheckpointHook,
    StageReportHook,
    TeacherValidationHook,
    UnfreezeHook,
)
from mmseg_da.engine.loops import ExactTrainLoop
from mmseg_da.engine.optimizers import (
    CpuAmpOptimWrapper,
    LayerwiseOptimWrapperConstructor,
    PartwiseOptimWrapper,
    PartwiseOptimWrapperConstructor,
)
from mmseg_da.engine.runner import DomainAdaptationRunner
from mmseg_da.engine.schedulers import LinearDecayLR
from mmseg_da.engine.staged_runner import StagedRunner
from mmseg_da.engine.wrappers import PhasedDDP

__all__ = [
    'AdaptationViewHook',
    'ClassSurgeryHook',
    'ClosedGateHook',
    'CpuAmpOptimWrapper',
    'DivergenceHook',
    'DomainAdaptationRunner',
    'ExactTrainLoop',
    'LayerwiseOptimWrapperConstructor',
    'LinearDecayLR',
    'LossWeightHook',
    'NormEvalHook',
    'PartwiseOptimWrapper',
    'PartwiseOptimWrapperConstructor',
    'PhasedDDP',
    'PseudoLabelHook',
    'SafeCheckpointHook',
    'StageReportHook',
    'StagedRunner',
    'TeacherValidationHook',
    'UnfreezeHook',
]
