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
from mmseg_da.functional.augmentation import (
    blur_size,
    colour_jitter,
    gaussian_blur,
    photometric_jitter,
)
from mmseg_da.functional.confusion import confusion_loss, origin_loss
from mmseg_da.functional.consistency import prediction_consistency
from mmseg_da.functional.draws import uniform, uniforms
from mmseg_da.functional.entropy import (
    entropy_map,
    highest,
    robust_entropy,
    self_information_map,
    softmax_map,
    upsampled_scores,
)
from mmseg_da.functional.features import cell_classes, feature_distances
from mmseg_da.functional.fourier import swap_low_frequencies
from mmseg_da.functional.mixing import (
    block_mask,
    blocks,
    class_mask,
    classes_present,
    confident_share,
    half_of_classes,
    inside_margins,
    rows_of,
)
from mmseg_da.functional.multiscale import (
    Box,
    averaged,
    cut,
    draw_box,
    fuse,
    in_chunks,
    masked_to,
    padded_to,
    scaled_box,
    shrunk,
    window_boxes,
)
from mmseg_da.functional.pixels import (
    denormalise,
    from_unit_range,
    normalise,
    resized,
    to_unit_range,
)
from mmseg_da.functional.precision import full_precision
from mmseg_da.functional.pseudo_labels import (
    balanced_labels,
    class_balanced_thresholds,
    class_histogram,
    class_share_thresholds,
    confidence_bins,
    confidence_thresholds,
    sure_labels,
)
from mmseg_da.functional.tiles import by_tiles, reflect_to, windows

__all__ = [
    'FAKE',
    'KINDS',
    'REAL',
    'SOURCE',
    'TARGET',
    'Box',
    'averaged',
    'balanced_labels',
    'block_mask',
    'blocks',
    'blur_size',
    'by_tiles',
    'cell_classes',
    'class_balanced_thresholds',
    'class_histogram',
    'class_mask',
    'class_share_thresholds',
    'classes_present',
    'colour_jitter',
    'confidence_bins',
    'confidence_thresholds',
    'confident_share',
    'confusion_loss',
    'cut',
    'denormalise',
    'domain_accuracy',
    'domain_loss',
    'draw_box',
    'entropy_map',
    'feature_distances',
    'from_unit_range',
    'full_precision',
    'fuse',
    'gaussian_blur',
    'half_of_classes',
    'highest',
    'in_chunks',
    'inside_margins',
    'masked_to',
    'normalise',
    'origin_loss',
    'padded_to',
    'photometric_jitter',
    'pixel_accuracy',
    'prediction_consistency',
    'reflect_to',
    'resized',
    'robust_entropy',
    'rows_of',
    'scaled_box',
    'self_information_map',
    'shrunk',
    'softmax_map',
    'sure_labels',
    'swap_low_frequencies',
    'to_unit_range',
    'uniform',
    'uniforms',
    'upsampled_scores',
    'window_boxes',
    'windows',
]
