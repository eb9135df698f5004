"""Decode heads that mmseg lacks."""

from mmseg_da.models.decode_heads.aspp_v2_head import ASPPV2Head

__all__ = ['ASPPV2Head']
