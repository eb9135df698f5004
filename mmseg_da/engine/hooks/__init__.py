"""Hooks: what needs the clock, or acts between iterations."""

from mmseg_da.engine.hooks.checkpoint_hook import SafeCheckpointHook
from mmseg_da.engine.hooks.divergence_hook import DivergenceHook

__all__ = ['DivergenceHook', 'SafeCheckpointHook']
