"""Optimizer wrappers and their constructors."""

from mmseg_da.engine.optimizers.partwise_constructor import (
    PartwiseOptimWrapper,
    PartwiseOptimWrapperConstructor,
)

__all__ = ['PartwiseOptimWrapper', 'PartwiseOptimWrapperConstructor']
