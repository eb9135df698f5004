"""What one training iteration knows: the domains' images and the segmentor's outputs on them."""

from mmseg_da.structures.dense import (
    Dense,
    Part,
    dense_forward,
    encoder_images,
    heads_of,
    predict_labels,
    require_dense,
)
from mmseg_da.structures.draws import Draws
from mmseg_da.structures.step import Step, View, origins_of
from mmseg_da.structures.supervised import supervised, weights_pixels
from mmseg_da.structures.teaching import Look, Teaching

__all__ = [
    'Dense',
    'Draws',
    'Look',
    'Part',
    'Step',
    'Teaching',
    'View',
    'dense_forward',
    'encoder_images',
    'heads_of',
    'origins_of',
    'predict_labels',
    'require_dense',
    'supervised',
    'weights_pixels',
]
