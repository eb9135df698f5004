"""Segmentors that mmseg lacks."""

from mmseg_da.models.segmentors.hrda import HRDAEncoderDecoder
from mmseg_da.models.segmentors.sliding import BatchedSlideEncoderDecoder

__all__ = ['BatchedSlideEncoderDecoder', 'HRDAEncoderDecoder']
