"""Mathematics of domain adaptation in plain torch: no mmengine, no registry, no ``nn.Module``."""

from mmseg_da.functional.adversarial import SOURCE, TARGET, domain_loss
from mmseg_da.functional.entropy import full_precision, self_information_map, softmax_map

__all__ = [
    'SOURCE',
    'TARGET',
    'domain_loss',
    'full_precision',
    'self_information_map',
    'softmax_map',
]
