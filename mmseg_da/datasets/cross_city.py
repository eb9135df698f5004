"""The cross-city set: Rio, Rome, Taipei, Tokyo."""

from collections.abc import Sequence

from mmengine import fileio
from mmseg.datasets import CityscapesDataset

from mmseg_da.registry import DATASETS


@DATASETS.register_module()
class CrossCityDataset(CityscapesDataset):
    """Street views of Rio, Rome, Taipei and Tokyo, 13 of Cityscapes' 19 classes labelled.

    Layout, after ``tools/dataset_converters/crosscity.py`` has made the train ids::

        CITY/Images/{Train,Test}/X.png or X.jpg
        CITY/Labels/Test/X_labelTrainIds.png

    The labels hold the train ids of Cityscapes, 255 is ignored. Wall, fence, pole, terrain, truck
    and train are not labelled; name the other 13 in ``metainfo=dict(classes=...)``, here and in the
    source, to train and score in 13 classes.

    Source: Chen et al., "No More Discrimination: Cross City Adaptation of Road Scene Segmenters",
    ICCV 2017, https://yihsinchen.github.io/segmentation_adaptation_dataset/

    Args:
        img_suffix: Suffix of an image file, or several of which each file has one.
        seg_map_suffix: Suffix of a label file, in place of ``img_suffix``.
        **kwargs: See :class:`mmseg.datasets.BaseSegDataset`.
    """

    def __init__(
        self,
        img_suffix: str | Sequence[str] = ('.png', '.jpg'),
        seg_map_suffix: str = '_labelTrainIds.png',
        **kwargs,
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Find the images of every suffix, sorted by path."""
        suffixes = self.img_suffix
        found = []
        for self.img_suffix in [suffixes] if isinstance(suffixes, str) else suffixes:
            found += super().load_data_list()
        self.img_suffix = suffixes
        if self.ann_file:  # its lines are names without a suffix, so all but one are not there
            found = [each for each in found if fileio.exists(each['img_path'], self.backend_args)]
        return sorted(found, key=lambda each: each['img_path'])
