"""Models that adapt a segmentor."""

from mmseg_da.models.adaptors.alternating_adaptor import AlternatingAdaptor
from mmseg_da.models.adaptors.domain_adaptor import DomainAdaptor
from mmseg_da.models.adaptors.joint_adaptor import JointAdaptor

__all__ = ['AlternatingAdaptor', 'DomainAdaptor', 'JointAdaptor']
