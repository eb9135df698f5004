"""Models that adapt a segmentor."""

from mmseg_da.models.adaptors.alternating_adaptor import AlternatingAdaptor
from mmseg_da.models.adaptors.domain_adaptor import DomainAdaptor

__all__ = ['AlternatingAdaptor', 'DomainAdaptor']
