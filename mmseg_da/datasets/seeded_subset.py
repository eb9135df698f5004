"""A few images of a data set, the same ones every time."""

from typing import Any

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import Dataset

from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

_SHOWN = 5


@DATASETS.register_module()
class SeededSubset(Dataset):
    """The images of a data set that a seed draws, in the order of the data set.

    They depend on the number of images and the seed alone, and more images are a superset: the 5 of
    ``num=5`` are among the 50 of ``num=50``. mmengine's ``indices=50`` would be the first 50,
    which in Cityscapes are of one city.

    Args:
        dataset: Config of any data set of mmseg.
        num: How many images, at least 1.
        seed: Which ones.

    Raises:
        UserError: ``num`` is below 1 or above the size of the data set.
    """

    def __init__(self, dataset: dict, num: int, seed: int = 0) -> None:
        if not isinstance(num, int) or isinstance(num, bool) or num < 1:
            raise UserError(f'SeededSubset: num is {num!r}, but has to be an integer of 1 or more')
        self.dataset = DATASETS.build(dataset)
        size = len(self.dataset)
        if num > size:
            raise UserError(
                f'SeededSubset: num is {num}, but {type(self.dataset).__name__} has {size} images here'
            )
        self.indices = sorted(np.random.default_rng(seed).permutation(size)[:num].tolist())
        shown = ', '.join(map(str, self.indices[:_SHOWN])) + (', ...' if num > _SHOWN else '')
        print_log(f'SeededSubset: {num} of {size} images (seed {seed}): {shown}', logger='current')

    @property
    def metainfo(self) -> dict:
        """Classes and palette of the data set."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        """Number of images drawn."""
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        """One sample after its pipeline."""
        return self.dataset[self.indices[index]]

    def get_data_info(self, index: int) -> dict:
        """Paths of one image, as the data set gives them."""
        return self.dataset.get_data_info(self.indices[index])
