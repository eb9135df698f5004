"""One labelled data set, or a few images of it, for a training without adaptation."""

from typing import Any

from torch.utils.data import Dataset

from mmseg_da.datasets.samplers import Draw
from mmseg_da.datasets.source_target import seeded
from mmseg_da.registry import DATASETS


@DATASETS.register_module()
class LabelledDataset(Dataset):
    """A data set of mmseg whose augmentations a ``LabelledSampler`` fixes; all of it or a few images.

    Args:
        dataset: Config of any data set of mmseg.
        num: How many images, chosen as by ``FewImages``; all by default. mmengine's ``indices=50``
            would be the first 50, which in Cityscapes are of one city.
        seed: Which ones.

    Raises:
        UserError: As ``FewImages``.
    """

    takes_draws = True

    def __init__(self, dataset: dict, num: int | None = None, seed: int = 0) -> None:
        few = dict(type='FewImages', dataset=dataset, num=num, seed=seed)
        self.dataset = DATASETS.build(dataset if num is None else few)

    @property
    def metainfo(self) -> dict:
        """Classes and palette of the data set."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        """Number of images."""
        return len(self.dataset)

    def __getitem__(self, index: Draw | int) -> Any:
        """One sample after its pipeline; a :class:`Draw` also fixes every random augmentation."""
        if isinstance(index, Draw):
            with seeded(index.seed):
                return self.dataset[index.source]
        return self.dataset[index]

    def get_data_info(self, index: int) -> dict:
        """Paths of one image, as the data set gives them."""
        return self.dataset.get_data_info(index)
