"""Pictures of adaptation."""

from mmseg_da.visualization.panels import paint, save_panel
from mmseg_da.visualization.samples import draw_sample, to_rgb

__all__ = ['draw_sample', 'paint', 'save_panel', 'to_rgb']
