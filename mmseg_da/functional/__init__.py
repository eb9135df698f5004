"""Mathematics of domain adaptation in plain torch: no mmengine, no registry, no ``nn.Module``."""

from mmseg_da.functional.accuracy import pixel_accuracy
from mmseg_da.functional.adversarial import (
    FAKE,
    KINDS,
    REAL,
    SOURCE,
    TARGET,
    domain_accuracy,
    domain_loss,
)
from mmseg_da.functional.consistency import prediction_consistency
from mmseg_da.functional.entropy import self_information_map, softmax_map
from mmseg_da.functional.pixels import denormalise, from_unit_range, normalise, to_unit_range
from mmseg_da.functional.precision import full_precision

__all__ = [
    'FAKE',
    'KINDS',
    'REAL',
    'SOURCE',
    'TARGET',
    'denormalise',
    'domain_accuracy',
    'domain_loss',
    'from_unit_range',
    'full_precision',
    'normalise',
    'pixel_accuracy',
    'prediction_consistency',
    'self_information_map',
    'softmax_map',
    'to_unit_range',
]
