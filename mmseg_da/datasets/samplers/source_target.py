"""Which images, and which random augmentation, each step of training sees."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmseg_da.datasets.samplers.shares import Shares
from mmseg_da.errors import UserError
from mmseg_da.registry import DATA_SAMPLERS

_SOURCE, _TARGET, _LABELLED, _FIRST_ORIGIN = range(4)  # whose order it is
_RARE = 2  # last number of a seed, where Shares have 1


class Draw(NamedTuple):
    """One sample of a :class:`~mmseg_da.datasets.SourceTargetDataset`.

    Attributes:
        source: Index of the source image.
        target: Index of the target image.
        seed: Of every random augmentation in them, 0 to 2^32 - 1.
        labelled: Index of the labelled target image, ``None`` where there are none.
        rare_class: The target class that the source image was drawn for, ``None`` where images are
            drawn and not classes.
    """

    source: int
    target: int
    seed: int
    labelled: int | None = None
    rare_class: int | None = None


@DATA_SAMPLERS.register_module()
class SourceTargetSampler(Sampler[Draw]):
    """An endless stream of draws that is a pure function of the seed and the position.

    Each domain is visited in random order, every image once before any returns, independently of
    the other domains. Several sources are one domain, unless the dataset has ``source_weights``:
    then each is a domain of its own, with exact shares (:class:`Shares`). Ranks take turns, so that
    n ranks together see what one process with n times the batch size sees. Neither workers nor the
    time of starting have any influence.

    Where the dataset has ``rare_classes``, a source image is not visited but drawn, each time anew:
    first a class, then one of the images that have enough of it. The target is visited as ever.

    Args:
        dataset: A ``SourceTargetDataset``.
        seed: Of the stream; drawn at random, the same on all ranks, if ``None``.
        shuffle: Whether to visit in random order.

    Raises:
        UserError: ``rare_classes`` without random order, or with labels that do not fit it.
    """

    def __init__(self, dataset, seed: int | None = None, shuffle: bool = True) -> None:
        self.sizes = (len(dataset.source), len(dataset.target))
        labelled = getattr(dataset, 'labelled', None)
        self.num_labelled = 0 if labelled is None else len(labelled)
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        counts = getattr(dataset, 'shares', None)
        self.shares = counts and Shares(counts, dataset.source_sizes, self.seed, shuffle)
        sampling = getattr(dataset, 'rare_classes', None)
        if sampling and not shuffle:
            raise UserError(
                'train_dataloader.sampler: shuffle=False visits the source in order, but rare_classes '
                'draws from it at random: leave one of them out'
            )
        self.tables = sampling and sampling.tables(separate=bool(counts))
        self.rank, self.world_size = get_dist_info()
        self.start = 0  # draws of this rank to pass over: a resume sets it

    def __iter__(self) -> Iterator[Draw]:
        position = self.rank + self.start * self.world_size
        while True:
            yield self.draw(position)
            position += self.world_size

    def __len__(self) -> int:
        """Source images: what mmengine calls an epoch."""
        return self.sizes[0]

    def skip(self, num_samples: int) -> None:
        """Start at a later draw, as onedl-mmengine's own loop asks for when it resumes.

        Args:
            num_samples: Draws of this rank to pass over, counted from the first of the stream:
                iterations times batch size.

        Raises:
            ValueError: It is negative.
        """
        if num_samples < 0:
            raise ValueError(f'num_samples must not be negative, got {num_samples}')
        self.start = num_samples

    def draw(self, position: int) -> Draw:
        """The draw at a position of the joint stream of all ranks."""
        state = np.random.SeedSequence([self.seed, position]).generate_state(1)
        labelled = None
        if self.num_labelled:
            labelled = self._index(_LABELLED, self.num_labelled, position)
        source, rare_class = self._source(position)
        target = self._index(_TARGET, self.sizes[1], position)
        return Draw(source, target, int(state[0]), labelled, rare_class)

    def _source(self, position: int) -> tuple[int, int | None]:
        """The source image at a position, and the class that it is drawn for, if it is."""
        origin, turn, start = 0, position, 0
        domain, size = _SOURCE, self.sizes[0]
        if self.shares:
            origin, turn = self.shares.draw(position)
            domain, size = _FIRST_ORIGIN + origin, self.shares.sizes[origin]
            start = self.shares.starts[origin]
        if not self.tables:
            return start + self._index(domain, size, turn), None
        rng = np.random.default_rng([self.seed, 0, position, _RARE])
        index, rare_class = self.tables[origin].draw(rng)
        return start + index, rare_class

    def _index(self, domain: int, size: int, turn: int) -> int:
        epoch, offset = divmod(turn, size)
        return int(_order(self.seed, domain, epoch, size)[offset]) if self.shuffle else offset


@lru_cache(maxsize=16)
def _order(seed: int, domain: int, epoch: int, size: int) -> np.ndarray:
    return np.random.default_rng([seed, domain, epoch]).permutation(size)
