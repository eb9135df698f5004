"""Counted pixels on disk, valid as long as the labels are the same."""

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmseg_da.datasets.outputs import write_atomically

_FORMAT = 1  # of the file
_KEYS = ('names', 'sizes', 'times', 'counts')
Signature = tuple[int, int]  # bytes of a file, and when it was written, in nanoseconds


class PixelCache:
    """The pixels of each class in the labels of one data set, in one file.

    Its name is made of everything that says how labels are read: their folder, the classes, the
    label map and what loads them. Each label has its size and time of modification beside it, so that
    a label which was changed, or is new, is counted again and the others are not. Labels that are
    not on this disk are counted at every start, as nothing tells whether they changed. The file is
    written whole or not at all; one that is damaged is passed over with a warning.

    Args:
        path: The file, there or not; ``None`` keeps nothing.
        folder: Of the labels.
        num_classes: Number of classes.
    """

    def __init__(self, path: Path | None, folder: str, num_classes: int) -> None:
        self.path, self.folder, self.num_classes = path, folder, num_classes
        self._names: list[str] = []
        self._signatures: list[Signature | None] = []
        self._others: dict[str, tuple[Signature, np.ndarray]] = {}

    @classmethod
    def of(cls, dataset: BaseDataset, loader: str, folder: str | None = None) -> 'PixelCache':
        """The cache of a data set.

        Args:
            dataset: One of label files, with classes.
            loader: What loads its labels, in words.
            folder: Where the file lies. By default in ``.mmseg_da`` below the data set's
                ``data_root``, so that all trainings share it, or, where that cannot be written to, in
                ``mmseg_da`` below ``$XDG_CACHE_HOME`` or ``~/.cache``.
        """
        labels = os.path.abspath(dataset.data_prefix.get('seg_map_path') or '')
        root = getattr(dataset, 'data_root', None)
        classes = list(dataset.metainfo['classes'])
        if getattr(dataset, 'backend_args', None) or '://' in str(root or ''):
            return cls(None, labels, len(classes))
        parts = Path(folder) if folder else _default_folder(root)
        inside = folder is None and root is not None and parts.is_relative_to(root)
        below = os.path.relpath(labels, root) if inside else labels  # a data set may be moved
        settings = (
            *(_FORMAT, below, classes, loader),
            sorted((dataset.metainfo.get('label_map') or {}).items()),
            bool(dataset.metainfo.get('reduce_zero_label')),
        )
        digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
        return cls(parts / f'class_pixels_{digest}.npz', labels, len(classes))

    def read(self, labels: Sequence[Mapping[str, Any]]) -> list[np.ndarray | None]:
        """The counted pixels of each label, ``None`` where it has to be counted.

        Args:
            labels: As the data set gives them, with ``seg_map_path``.
        """
        paths = [str(each['seg_map_path']) for each in labels]
        self._names = [os.path.relpath(path, self.folder) for path in paths]
        self._signatures = [_signature(path) if self.path else None for path in paths]
        known = self._load()
        found: list[np.ndarray | None] = []
        for name, signature in zip(self._names, self._signatures, strict=True):
            before = known.get(name)
            found.append(before[1] if before and before[0] == signature else None)
        present = set(self._names)
        self._others = {name: each for name, each in known.items() if name not in present}
        return found

    def write(self, counts: Sequence[np.ndarray]) -> None:
        """Keep the counted pixels of the labels that were read; a failure is a warning.

        Args:
            counts: One row for each.
        """
        if self.path is None or None in self._signatures:
            return
        entries = dict(self._others)
        for name, signature, row in zip(self._names, self._signatures, counts, strict=True):
            entries[name] = (signature, row)
        content = BytesIO()
        signatures = np.array([each for each, _ in entries.values()], np.int64)
        np.savez_compressed(
            content,
            names=np.array(list(entries)),
            sizes=signatures[:, 0],
            times=signatures[:, 1],
            counts=np.stack([row for _, row in entries.values()]).astype(np.int64),
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, content.getvalue())
        except OSError as error:
            _warn(f'{self.path}: cannot keep the pixels of each class ({error})')

    def _load(self) -> dict[str, tuple[Signature, np.ndarray]]:
        if self.path is None or not self.path.is_file():
            return {}
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                names, sizes, times, counts = (stored[key] for key in _KEYS)
            if counts.shape != (len(names), self.num_classes) or counts.dtype != np.int64:
                raise ValueError(f'holds {counts.dtype} {counts.shape}')
            signatures = zip(sizes.tolist(), times.tolist(), strict=True)
            rows = zip(names.tolist(), signatures, counts, strict=True)
            return {str(name): (signature, row) for name, signature, row in rows}
        except Exception as error:  # a damaged archive raises anything
            _warn(f'{self.path}: is damaged ({error}); counting the labels anew')
            return {}


def _default_folder(root: str | None) -> Path:
    if root is not None and os.access(root, os.W_OK | os.X_OK):
        return Path(root, '.mmseg_da')
    home = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    return Path(home, 'mmseg_da')


def _signature(path: str) -> Signature | None:
    try:
        status = os.stat(path)
    except OSError:
        return None  # whoever reads the label says what is wrong with it
    return status.st_size, status.st_mtime_ns


def _warn(text: str) -> None:
    print_log(f'rare_classes: {text}', 'current', level=logging.WARNING)
