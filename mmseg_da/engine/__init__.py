"""Runner, wrappers and optimizers: how mmengine trains a phased model."""

from mmseg_da.engine.optimizers import PartwiseOptimWrapper, PartwiseOptimWrapperConstructor
from mmseg_da.engine.runner import DomainAdaptationRunner
from mmseg_da.engine.wrappers import PhasedDDP

__all__ = [
    'DomainAdaptationRunner',
    'PartwiseOptimWrapper',
    'PartwiseOptimWrapperConstructor',
    'PhasedDDP',
]
