"""GTA5, "Playing for Data"."""

from mmseg.datasets import CityscapesDataset

from mmseg_da.registry import DATASETS


@DATASETS.register_module()
class GTADataset(CityscapesDataset):
    """GTA5: 24,966 street frames of a computer game with the 19 Cityscapes classes.

    Layout, after ``tools/dataset_converters/gta.py`` has made the train ids::

        images/00001.png ...
        labels/00001_labelTrainIds.png ...

    The labels hold train ids 0..18, 255 is ignored.

    Source: Richter et al., "Playing for Data: Ground Truth from Computer Games", ECCV 2016,
    https://download.visinf.tu-darmstadt.de/data/from_games/

    Args:
        img_suffix: Suffix of an image file.
        seg_map_suffix: Suffix of a label file, in place of ``img_suffix``.
        **kwargs: See :class:`mmseg.datasets.BaseSegDataset`.
    """

    def __init__(
        self, img_suffix: str = '.png', seg_map_suffix: str = '_labelTrainIds.png', **kwargs
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
