"""Distributed wrappers."""

from mmseg_da.engine.wrappers.buffers import share_buffers
from mmseg_da.engine.wrappers.phased_ddp import PhasedDDP

__all__ = ['PhasedDDP', 'share_buffers']
