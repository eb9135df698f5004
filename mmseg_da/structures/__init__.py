"""What one training iteration knows: the domains' images and the segmentor's outputs on them."""

from mmseg_da.structures.dense import Dense, dense_forward, heads_of, predict_labels, require_dense
from mmseg_da.structures.step import Step, View, origins_of

__all__ = [
    'Dense',
    'Step',
    'View',
    'dense_forward',
    'heads_of',
    'origins_of',
    'predict_labels',
    'require_dense',
]
