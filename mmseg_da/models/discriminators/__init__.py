"""Networks that tell domains apart."""

from mmseg_da.models.discriminators.pixel import PixelDiscriminator

__all__ = ['PixelDiscriminator']
