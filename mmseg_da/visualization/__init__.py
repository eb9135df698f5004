"""Pictures of adaptation."""

from mmseg_da.visualization.panels import draw_panel, paint, save_panel, to_picture
from mmseg_da.visualization.samples import draw_sample, to_rgb

__all__ = ['draw_panel', 'draw_sample', 'paint', 'save_panel', 'to_picture', 'to_rgb']
