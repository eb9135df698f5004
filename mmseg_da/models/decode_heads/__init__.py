"""Decode heads that mmseg lacks."""

from mmseg_da.models.decode_heads.aspp_v2_head import ASPPV2Head
from mmseg_da.models.decode_heads.daformer_head import DAFormerHead
from mmseg_da.models.decode_heads.fcn8s_head import FCN8sHead
from mmseg_da.models.decode_heads.upscale_head import UpscaleHead

__all__ = ['ASPPV2Head', 'DAFormerHead', 'FCN8sHead', 'UpscaleHead']
