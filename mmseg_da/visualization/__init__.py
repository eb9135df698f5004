"""Pictures of adaptation."""

from mmseg_da.visualization.panels import paint, save_panel

__all__ = ['paint', 'save_panel']
