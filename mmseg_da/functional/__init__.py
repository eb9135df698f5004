"""Mathematics of domain adaptation in plain torch: no mmengine, no registry, no ``nn.Module``."""

from mmseg_da.functional.accuracy import pixel_accuracy
from mmseg_da.functional.adversarial import KINDS, SOURCE, TARGET, domain_loss
from mmseg_da.functional.entropy import self_information_map, softmax_map
from mmseg_da.functional.precision import full_precision

__all__ = [
    'KINDS',
    'SOURCE',
    'TARGET',
    'domain_loss',
    'full_precision',
    'pixel_accuracy',
    'self_information_map',
    'softmax_map',
]
