"""Hooks: what needs the clock, or acts between iterations."""

from mmseg_da.engine.hooks.checkpoint_hook import SafeCheckpointHook

__all__ = ['SafeCheckpointHook']
