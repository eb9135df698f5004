"""Domain adaptation for MMSegmentation: a plugin that registers into mmseg's own registries."""

from mmseg_da.version import __version__

__all__ = ['__version__']
