"""Pictures of adaptation, and pages that hold them."""

from mmseg_da.visualization.page import Page, require_absent
from mmseg_da.visualization.panels import draw_panel, paint, save_panel, to_picture
from mmseg_da.visualization.samples import draw_sample, to_rgb

__all__ = [
    'Page',
    'draw_panel',
    'draw_sample',
    'paint',
    'require_absent',
    'save_panel',
    'to_picture',
    'to_rgb',
]
