"""A look at config, data and machine before a long training."""

from mmseg_da.doctor.findings import Finding
from mmseg_da.doctor.visit import Visit, examine

__all__ = ['Finding', 'Visit', 'examine']
