"""Training loops."""

from mmseg_da.engine.loops.exact_loop import ExactTrainLoop

__all__ = ['ExactTrainLoop']
