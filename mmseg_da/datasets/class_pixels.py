"""How many pixels of each class every label of a data set has: counted once, then kept on disk."""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmcv.transforms import LoadAnnotations
from mmengine.dataset import BaseDataset
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log

from mmseg_da.datasets.parallel import in_parallel, progress
from mmseg_da.datasets.pixel_cache import PixelCache
from mmseg_da.datasets.reading import IGNORE, what_is_wrong
from mmseg_da.errors import UserError

_NAMED = 10  # bad labels that a message names
_MOST_PROCESSES = 16


def class_pixels(
    dataset: BaseDataset, cache: str | None = None, nproc: int = _MOST_PROCESSES
) -> np.ndarray:
    """Count the pixels of each class in every label of a data set, or read what was counted before.

    Labels are loaded by the ``LoadAnnotations`` of its own pipeline and nothing after that, so that
    ``reduce_zero_label`` and the classes of ``metainfo`` apply, at the size of the files. What was
    counted lies in a :class:`PixelCache` and counts as long as a label's size and time of
    modification are the same. Every process of a run must call it: the first counts, the others get
    what it found.

    Args:
        dataset: One of label files.
        cache: Folder of the cache, see :class:`PixelCache`.
        nproc: Processes at most; there are no more than cores, and one for few labels.

    Returns:
        Pixels by image and class, int64 (images, classes). Ignored pixels are not among them.

    Raises:
        UserError: The dataset has no labels, or some cannot be read or hold what is no class; names
            them.
    """
    outcome: list[Any] = [None, None]
    failure = None
    if is_main_process():
        try:
            outcome[0] = _class_pixels(dataset, cache, nproc)
        except Exception as error:  # the others wait to hear of it, whatever it is
            failure, outcome[1] = error, str(error) or type(error).__name__
    broadcast_object_list(outcome)
    if failure is not None:
        raise failure
    if outcome[1] is not None:
        raise UserError(outcome[1])
    return outcome[0]


def _class_pixels(dataset: BaseDataset, folder: str | None, nproc: int) -> np.ndarray:
    loader, classes = label_loader(dataset), dataset.metainfo.get('classes') or ()
    labels = [dataset.get_data_info(index) for index in range(len(dataset))]
    if not classes or any('seg_map_path' not in each for each in labels):
        raise UserError(
            f'rare_classes: {type(dataset).__name__} has no classes or no label files; set '
            'metainfo=dict(classes=...) and data_prefix=dict(seg_map_path=...)'
        )
    cache = PixelCache.of(dataset, repr((type(loader).__qualname__, repr(loader))), folder)
    counts = cache.read(labels)
    new = [index for index, row in enumerate(counts) if row is None]
    if new:
        where = dataset.data_prefix.get('seg_map_path') or 'the source'
        print_log(f'rare_classes: counting the pixels of {len(new)} labels in {where}', 'current')
        task = _Count(copy.deepcopy(loader), len(classes))
        rows = _count(task, [labels[index] for index in new], len(labels), nproc)
        for index, row in zip(new, rows, strict=True):
            counts[index] = row
        cache.write(counts)
    return np.stack(counts).astype(np.int64)


def label_loader(dataset: BaseDataset) -> LoadAnnotations:
    """What loads the labels."""
    for transform in dataset.pipeline.transforms:
        if isinstance(transform, LoadAnnotations):
            return transform
    raise UserError(
        "rare_classes: the source pipeline loads no labels; add dict(type='LoadAnnotations') after "
        'the image is loaded'
    )


def _count(task: '_Count', labels: Sequence[Mapping], of: int, nproc: int) -> list[np.ndarray]:
    """A row for each label, which are some or all of a number of them."""
    remedy = 'start again; where memory is short, with OMP_NUM_THREADS=1 and fewer other processes'
    nproc = min(nproc, _cores(), 1 + len(labels) // 8)
    found = in_parallel(task, labels, nproc, remedy)
    rows = list(progress(found, 'Pixels of each class', total=len(labels)))
    bad = [row for row in rows if isinstance(row, str)]
    if bad:
        more = f'\n  and {len(bad) - _NAMED} more' if len(bad) > _NAMED else ''
        lines = ''.join(f'\n  {text}' for text in bad[:_NAMED])
        raise UserError(
            f'rare_classes: {len(bad)} of {of} labels cannot be counted; repair them, or '
            f'leave them out by an ann_file:{lines}{more}'
        )
    return rows


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class _Count:
    """Counts the pixels of each class in one label, or says what is wrong with it."""

    loader: LoadAnnotations
    num_classes: int

    def __call__(self, label: Mapping[str, Any]) -> np.ndarray | str:
        path = label['seg_map_path']
        try:
            ids = self.loader(dict(label, seg_fields=[]))['gt_seg_map']
        except Exception as error:  # whatever a decoder raises
            text = ' '.join(str(error).split())[:200]
            return what_is_wrong(path, 'label') or f'{path}: {type(error).__name__}: {text}'
        if ids.ndim != 2:
            return f'{path}: the label is a colour picture of {ids.shape[-1]} channels'
        counts = np.bincount(ids.ravel(), minlength=IGNORE + 1)
        wrong = np.flatnonzero(counts[self.num_classes : IGNORE])
        if wrong.size:
            return (
                f'{path}: label {self.num_classes + wrong[0]} is none of the {self.num_classes} '
                f'classes (0 to {self.num_classes - 1}) and not {IGNORE}'
            )
        return counts[: self.num_classes]
