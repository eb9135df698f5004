"""Source images, and crops of them, in which rare classes come more often."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmseg_da.datasets.class_pixels import class_pixels
from mmseg_da.datasets.label_table import LabelTable
from mmseg_da.datasets.rare_classes import RareClasses, RareClassTable
from mmseg_da.datasets.reading import IGNORE
from mmseg_da.errors import UserError


class RareClassCrop:
    """A random crop that is taken anew from the same image until it has enough of a class.

    Args:
        crop: The transform, as ``RandomCrop``. What it asks of a crop, such as ``cat_max_ratio``,
            holds at each try.
        settings: The option.

    Raises:
        UserError: No crop of its size can have as many pixels.
    """

    wanted: tuple[int, ...] = ()

    def __init__(self, crop: Any, settings: RareClasses) -> None:
        self.crop, self.least, self.tries = crop, settings.min_crop_pixels, settings.tries
        size = getattr(crop, 'crop_size', None)
        if isinstance(size, tuple) and len(size) == 2 and size[0] * size[1] <= self.least:
            raise UserError(
                f'rare_classes: no crop of {size[0]} x {size[1]} has more than {self.least:g} pixels '
                'of a class, which min_pixels * min_crop_ratio asks for: give smaller ones'
            )

    @contextmanager
    def wanting(self, labels: Sequence[int]) -> Iterator[None]:
        """Ask for crops with enough pixels of these labels together."""
        self.wanted = tuple(labels)
        try:
            yield
        finally:
            self.wanted = ()

    def __call__(self, results: dict) -> dict | None:
        """Crop the image and its ``seg_fields``."""
        cropped = self.crop(dict(results))
        for _ in range(self.tries if self.wanted else 0):
            if cropped is None or self._pixels(cropped) > self.least:
                break
            cropped = self.crop(dict(results))
        return cropped

    def _pixels(self, results: Mapping[str, Any]) -> int:
        labels = results.get('gt_seg_map')
        if labels is None:
            raise UserError(
                'rare_classes: a source pipeline crops before it loads the labels, which tell whether '
                "a crop has enough of a class: put dict(type='LoadAnnotations') before RandomCrop"
            )
        return sum(np.count_nonzero(labels == each) for each in self.wanted)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.crop!r}, least={self.least}, tries={self.tries})'


class RareClassSampling:
    """Rare-class sampling from the sources of a ``SourceTargetDataset``.

    Args:
        options: The option, from a config.
        parts: The source datasets. Every ``RandomCrop`` in their pipelines, also inside of
            ``RandomApply`` and its like, is replaced by a :class:`RareClassCrop`; without one,
            whole images are taken as they are.
        tables: From the labels of each to the target's classes.
        classes: The target's classes: it is these that are drawn.

    Raises:
        UserError: The option is wrong, or does not fit a source.
    """

    def __init__(
        self,
        options: Any,
        parts: Sequence[BaseDataset],
        tables: Sequence[LabelTable],
        classes: Sequence[str],
    ) -> None:
        self.settings = RareClasses.of(options)
        self.parts, self.classes = parts, classes
        self.partners = [partners_of(table) for table in tables]
        self.crops = [_replace_crops(part, self.settings) for part in parts]

    @contextmanager
    def wanting(self, part: int, drawn: int | None) -> Iterator[None]:
        """While this lasts, crops of a source want a class of the target."""
        with ExitStack() as stack:
            if drawn is not None:
                labels = np.flatnonzero(self.partners[part] == drawn).tolist()
                for crop in self.crops[part]:
                    stack.enter_context(crop.wanting(labels))
            yield

    def tables(self, separate: bool) -> list[RareClassTable]:
        """Count the pixels, or read what was counted; every process must call it.

        Args:
            separate: Whether each source has classes and images of its own to draw from. Else they
                are one.

        Raises:
            UserError: Labels cannot be read, or no image has enough of any class.
        """
        counts = [
            self._merged(class_pixels(part, self.settings.cache), partners)
            for part, partners in zip(self.parts, self.partners, strict=True)
        ]
        pools = counts if separate else [np.concatenate(counts)]
        found = [RareClassTable(pool, self.settings) for pool in pools]
        for number, (pool, table) in enumerate(zip(pools, found, strict=True)):
            name = f'source {number}' if len(pools) > 1 else 'the source'
            print_log(self._described(name, pool, table), 'current')
        return found

    def _merged(self, counts: np.ndarray, partners: np.ndarray) -> np.ndarray:
        """Pixels of the target's classes, of those of a source."""
        merged = np.zeros((len(counts), len(self.classes)), np.int64)
        for label, partner in enumerate(partners):
            if partner != IGNORE:
                merged[:, partner] += counts[:, label]
        return merged

    def _described(self, name: str, pixels: np.ndarray, table: RareClassTable) -> str:
        shares = pixels.sum(axis=0) / max(pixels.sum(), 1)
        rows = zip(self.classes, shares, table.probabilities, table.images, strict=True)
        lines = [
            f'  {label}: {share:.4%} of the pixels, '
            + (f'drawn {p:.4%}, from {len(images)} images' if len(images) else 'never drawn')
            for label, share, p, images in rows
        ]
        never = sum(not len(images) for images in table.images)
        why = f'; {never} have no image with more than {self.settings.min_pixels} pixels'
        return f'rare_classes: classes of {name}{why if never else ""}\n' + '\n'.join(lines)


def partners_of(table: LabelTable) -> np.ndarray:
    """The target's class of each class of a source, or 255: int64, one entry each."""
    if table.table is None:
        return np.arange(table.num_classes)
    return table.table[: table.num_classes].numpy().astype(np.int64)


def _replace_crops(part: BaseDataset, settings: RareClasses) -> list[RareClassCrop]:
    if not isinstance(part, BaseDataset):
        raise UserError(
            f'rare_classes: the source {type(part).__name__} is no dataset of label files; give the '
            'datasets in it as a list'
        )
    found = _replaced(part.pipeline.transforms, settings)
    if not found:
        print_log(
            'rare_classes: a source pipeline has no RandomCrop: images are drawn, and taken as they '
            'are',
            'current',
        )
    return found


def _replaced(transforms: list, settings: RareClasses) -> list[RareClassCrop]:
    """Replace the crops in a list of transforms and in the lists inside of it."""
    found = []
    for index, transform in enumerate(transforms):
        if any(kind.__name__ == 'RandomCrop' for kind in type(transform).__mro__):
            transforms[index] = RareClassCrop(transform, settings)
            found.append(transforms[index])
            continue
        inner = getattr(transform, 'transforms', None)
        if inner is not None:
            found += _replaced(inner if isinstance(inner, list) else [inner], settings)
    return found
