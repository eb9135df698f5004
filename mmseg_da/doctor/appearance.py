"""How each class looks."""

import numpy as np

from mmseg_da.datasets.class_pixels import label_loader
from mmseg_da.datasets.reading import IGNORE
from mmseg_da.doctor.domains import Domain
from mmseg_da.doctor.loading import image_loader, read_pixels

_MOST, _STEP = 60, 4  # images, and pixels from one that is looked at to the next


def class_colours(domain: Domain) -> np.ndarray:
    """The mean RGB of each class (C, 3), 0 to 255, of some images; NaN where a class is in none."""
    sums, counts = np.zeros((len(domain.classes), 3)), np.zeros(len(domain.classes))
    for number in domain.some(_MOST):
        pixels, labels = image_of(domain, number), labels_of(domain, number)
        if pixels is None or labels is None or labels.shape != pixels.shape[:2]:
            continue  # told elsewhere
        pixels, labels = pixels[::_STEP, ::_STEP], labels[::_STEP, ::_STEP]
        if domain.partners is not None:
            table = np.full(IGNORE + 1, IGNORE)
            table[: len(domain.partners)] = domain.partners
            labels = table[labels]
        for label in np.unique(labels[labels < len(counts)]).tolist():
            where = labels == label
            sums[label] += pixels[where].sum(axis=0)
            counts[label] += where.sum()
    with np.errstate(invalid='ignore', divide='ignore'):
        return sums / counts[:, None]


def image_of(domain: Domain, number: int) -> np.ndarray | None:
    """An image of a domain as RGB pixels, or ``None`` if it cannot be read."""
    try:
        return read_pixels(image_loader(domain.dataset), domain.images[number])
    except ValueError:
        return None


def labels_of(domain: Domain, number: int) -> np.ndarray | None:
    """The label of an image (H, W), uint8, as its data set reads it, or ``None`` if that fails."""
    try:
        info = dict(domain.dataset.get_data_info(number), seg_fields=[])
        labels = label_loader(domain.dataset)(info)['gt_seg_map']
    except Exception:  # no label, or whatever a decoder raises
        return None
    return labels if labels.ndim == 2 and labels.dtype == np.uint8 else None
