"""Optimizer wrappers and their constructors."""

from mmseg_da.engine.optimizers.cpu_amp import CpuAmpOptimWrapper
from mmseg_da.engine.optimizers.layerwise_constructor import LayerwiseOptimWrapperConstructor
from mmseg_da.engine.optimizers.partwise_constructor import (
    PartwiseOptimWrapper,
    PartwiseOptimWrapperConstructor,
)

__all__ = [
    'CpuAmpOptimWrapper',
    'LayerwiseOptimWrapperConstructor',
    'PartwiseOptimWrapper',
    'PartwiseOptimWrapperConstructor',
]
