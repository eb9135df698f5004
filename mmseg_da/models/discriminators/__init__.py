"""Networks that tell domains apart."""

from mmseg_da.models.discriminators.patch import PatchDiscriminator
from mmseg_da.models.discriminators.pixel import PixelDiscriminator
from mmseg_da.models.discriminators.pointwise import PointwiseDiscriminator

__all__ = ['PatchDiscriminator', 'PixelDiscriminator', 'PointwiseDiscriminator']
