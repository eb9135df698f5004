"""Learning rates over time that mmengine lacks."""

from mmseg_da.engine.schedulers.linear_decay import LinearDecayLR

__all__ = ['LinearDecayLR']
