"""One labelled data set, or a few images of it, for a training without adaptation."""

from typing import Any

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import Dataset

from mmseg_da.datasets.samplers import Draw
from mmseg_da.datasets.source_target import seeded
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

_SHOWN = 5


@DATASETS.register_module()
class LabelledDataset(Dataset):
    """A data set of mmseg whose augmentations a ``LabelledSampler`` fixes; all of it or a few images.

    The few images depend on their number and the seed alone, are in the order of the data set, and
    more are a superset: the 5 of ``num=5`` are among the 50 of ``num=50``. mmengine's ``indices=50``
    would be the first 50, which in Cityscapes are of one city.

    Args:
        dataset: Config of any data set of mmseg.
        num: How many images, at least 1; all by default.
        seed: Which ones.

    Attributes:
        indices: The images in the whole data set.

    Raises:
        UserError: ``num`` is below 1 or above the size of the data set.
    """

    def __init__(self, dataset: dict, num: int | None = None, seed: int = 0) -> None:
        if num is not None and (not isinstance(num, int) or isinstance(num, bool) or num < 1):
            raise UserError(
                f'LabelledDataset: num is {num!r}, but has to be an integer of 1 or more, or None'
            )
        self.dataset = DATASETS.build(dataset)
        size = len(self.dataset)
        if num is not None and num > size:
            kind = type(self.dataset).__name__
            raise UserError(f'LabelledDataset: num is {num}, but {kind} has {size} images here')
        self.indices = list(range(size))
        if num is not None:
            self.indices = sorted(np.random.default_rng(seed).permutation(size)[:num].tolist())
            shown = ', '.join(map(str, self.indices[:_SHOWN])) + (', ...' if num > _SHOWN else '')
            print_log(f'LabelledDataset: {num} of {size} images (seed {seed}): {shown}', 'current')

    @property
    def metainfo(self) -> dict:
        """Classes and palette of the data set."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        """Number of images."""
        return len(self.indices)

    def __getitem__(self, index: Draw | int) -> Any:
        """One sample after its pipeline; a :class:`Draw` also fixes every random augmentation."""
        if isinstance(index, Draw):
            with seeded(index.seed):
                return self[index.source]
        return self.dataset[self.indices[index]]

    def get_data_info(self, index: int) -> dict:
        """Paths of one image, as the data set gives them."""
        return self.dataset.get_data_info(self.indices[index])
