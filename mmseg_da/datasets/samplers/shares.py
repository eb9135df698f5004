"""Exact shares of several sources in a stream of draws."""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

import numpy as np

from mmseg_da.errors import UserError

_LONGEST = 10_000  # draws after which the shares repeat


def whole_shares(weights: Sequence[float], num_sources: int) -> tuple[int, ...]:
    """The smallest whole numbers in the proportion of some weights.

    Args:
        weights: One positive number per source; they need not sum to 1.
        num_sources: Number of sources.

    Raises:
        UserError: Their number differs, one is not positive, or they have no short common measure.
    """
    given = list(weights) if isinstance(weights, Sequence) and not isinstance(weights, str) else []
    if len(given) != num_sources:
        raise UserError(
            f'source_weights is {weights!r}, but has to be a list of {num_sources} numbers, one for '
            'each source'
        )
    if not all(_is_positive(each) for each in given):
        raise UserError(
            f'source_weights is {weights!r}: each has to be a number above 0; leave a source out of '
            'the list instead of giving it no weight'
        )
    parts = [Fraction(each).limit_denominator(1000) for each in given]
    scale = math.lcm(*(each.denominator for each in parts))
    counts = [int(each * scale) for each in parts]
    divisor = math.gcd(*counts)
    if not all(counts) or sum(counts) // divisor > _LONGEST:
        raise UserError(
            f'source_weights is {weights!r}, of which no short stretch of draws has the exact shares: '
            'give small whole numbers, such as [3, 1]'
        )
    return tuple(count // divisor for count in counts)


def _is_positive(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and value > 0 and math.isfinite(value)


class Shares:
    """Which of several sources each position of a stream draws from.

    Every stretch of ``sum(counts)`` positions, from the first, has ``counts[i]`` draws of source i
    in random order. A pure function of the seed and the position.

    Args:
        counts: Draws of each source in one stretch.
        sizes: Images of each source.
        seed: Of the order within each stretch.
        shuffle: Whether that order is random.
    """

    def __init__(
        self, counts: Sequence[int], sizes: Sequence[int], seed: int, shuffle: bool = True
    ) -> None:
        self.counts, self.sizes = tuple(counts), tuple(sizes)
        self.starts = tuple(accumulate(self.sizes, initial=0))
        self.seed, self.shuffle = seed, shuffle

    def draw(self, position: int) -> tuple[int, int]:
        """The source at a position, and how often it came before."""
        stretch, offset = divmod(position, sum(self.counts))
        order = _stretch(self.seed if self.shuffle else None, stretch, self.counts)
        origin = int(order[offset])
        before = int(np.count_nonzero(order[:offset] == origin))
        return origin, stretch * self.counts[origin] + before


@lru_cache(maxsize=4)
def _stretch(seed: int | None, stretch: int, counts: tuple[int, ...]) -> np.ndarray:
    order = np.repeat(np.arange(len(counts)), counts)
    if seed is None:
        return order
    # NumPy takes [a, b] and [a, b, 0] for one seed: the last number keeps it apart from the others.
    return np.random.default_rng([seed, 0, stretch, 1]).permutation(order)
