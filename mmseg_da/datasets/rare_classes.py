"""Rare-class sampling: how often each class is drawn, and from which images."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmseg_da.errors import UserError


class RareClasses:
    """The option ``rare_classes`` of a ``SourceTargetDataset``.

    A class c with the share f_c of all labelled pixels is drawn with the probability
    softmax((1 - f_c) / temperature) over the classes that some image has more than ``min_pixels``
    of; then one of these images, each alike; then crops of it, until one has more than
    ``min_pixels * min_crop_ratio`` pixels of c.

    Source: Hoyer et al., "DAFormer", CVPR 2022, section 3.2, equations 5 and 6, with the crop test
    of the released code.

    Args:
        temperature: T; the lower, the more often the rarest classes come. ``float('inf')`` draws all
            classes alike.
        min_pixels: Pixels of a class, at the size of the label files, above which an image counts.
        min_crop_ratio: Share of ``min_pixels`` that a crop needs, at the size that it is taken from.
            Above 1 for images that are enlarged.
        tries: How many further crops are taken if one has too few; the last one stays in any case.
        cache: Folder that keeps the counted pixels, see ``PixelCache``.

    Raises:
        UserError: A value is of the wrong kind or out of range.
    """

    def __init__(
        self,
        temperature: float = 0.01,
        min_pixels: int = 3000,
        min_crop_ratio: float = 0.5,
        tries: int = 10,
        cache: str | None = None,
    ) -> None:
        checks = (
            ('temperature', temperature, _is_number(temperature) and temperature > 0, 'above 0'),
            ('min_pixels', min_pixels, _is_count(min_pixels), 'that is whole, of 0 or more'),
            (
                *('min_crop_ratio', min_crop_ratio),
                _is_number(min_crop_ratio) and 0 <= min_crop_ratio < math.inf,
                'of 0 or more',
            ),
            ('tries', tries, _is_count(tries), 'that is whole, of 0 or more'),
        )
        for key, value, fits, expected in checks:
            if not fits:
                raise UserError(
                    f'rare_classes: {key} is {value!r}, but has to be a number {expected}'
                )
        if cache is not None and not (isinstance(cache, str) and cache):
            raise UserError(f'rare_classes: cache is {cache!r}, but has to be the name of a folder')
        self.temperature, self.min_pixels = temperature, min_pixels
        self.min_crop_pixels, self.tries = min_pixels * min_crop_ratio, tries
        self.cache = cache

    @classmethod
    def of(cls, options: Any) -> 'RareClasses':
        """From a config.

        Raises:
            UserError: It is no dict, or has unknown keys.
        """
        known = list(inspect.signature(cls).parameters)
        if not isinstance(options, Mapping):
            raise UserError(
                f'rare_classes is {options!r}, but has to be a dict such as dict(temperature=0.01), '
                f'or None; its keys: {", ".join(known)}'
            )
        unknown = [key for key in options if key not in known]
        if unknown:
            raise UserError(
                f'rare_classes: {unknown[0]!r} is no setting; there are {", ".join(known)}'
            )
        return cls(**options)


def class_probabilities(pixels: np.ndarray, drawable: np.ndarray, temperature: float) -> np.ndarray:
    """softmax((1 - f) / T) over the classes that can be drawn, 0 for the others.

    Args:
        pixels: Pixels of each class (C,), at least one of them above 0.
        drawable: Which classes can be drawn (C,), bool, at least one of them.
        temperature: T, positive; infinity gives each the same.

    Returns:
        Probabilities, float64 (C,), with the sum 1.
    """
    logits = (1 - pixels / pixels.sum()) / temperature
    weights = np.where(drawable, np.exp(logits - logits[drawable].max()), 0)
    return weights / weights.sum()


class RareClassTable:
    """From which images of one source a class is drawn, and how often.

    Args:
        pixels: Pixels by image and class (N, C).
        settings: The option.

    Attributes:
        probabilities: Of each class (C,).
        images: For each class the images that have enough of it.

    Raises:
        UserError: No image has enough of any class.
    """

    def __init__(self, pixels: np.ndarray, settings: RareClasses) -> None:
        enough = pixels > settings.min_pixels
        drawable = enough.any(axis=0)
        if not drawable.any():
            raise UserError(
                f'rare_classes: no class has an image with more than {settings.min_pixels} pixels of '
                f'it, the most is {pixels.max(initial=0)}: give a smaller min_pixels'
            )
        self.probabilities = class_probabilities(pixels.sum(axis=0), drawable, settings.temperature)
        self.images = [np.flatnonzero(column) for column in enough.T]
        self._cumulated = np.cumsum(self.probabilities)

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """An image and the class it is drawn for."""
        point = rng.random() * self._cumulated[-1]
        found = int(np.searchsorted(self._cumulated, point, side='right'))
        images = self.images[found]
        return int(images[rng.integers(len(images))]), found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
