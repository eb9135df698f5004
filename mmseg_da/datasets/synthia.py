"""SYNTHIA-RAND-CITYSCAPES."""

from mmseg.datasets import CityscapesDataset

from mmseg_da.registry import DATASETS


@DATASETS.register_module()
class SynthiaDataset(CityscapesDataset):
    """SYNTHIA-RAND-CITYSCAPES: 9,400 street frames of a simulator with Cityscapes' 19 train ids.

    Layout, after ``tools/dataset_converters/synthia.py`` has made the train ids::

        RGB/0000000.png ...
        GT/LABELS/0000000_labelTrainIds.png ...

    The labels hold train ids 0..18, 255 is ignored. Terrain, truck and train have no pixels. For
    the 16 classes that have, or the 13 of them without wall, fence and pole, name the classes in
    ``metainfo=dict(classes=...)``, here and in the target: the labels are renumbered in that order
    and the other classes ignored.

    Source: Ros et al., "The SYNTHIA Dataset: A Large Collection of Synthetic Images for Semantic
    Segmentation of Urban Scenes", CVPR 2016, https://synthia-dataset.net

    Args:
        img_suffix: Suffix of an image file.
        seg_map_suffix: Suffix of a label file, in place of ``img_suffix``.
        **kwargs: See :class:`mmseg.datasets.BaseSegDataset`.
    """

    def __init__(
        self, img_suffix: str = '.png', seg_map_suffix: str = '_labelTrainIds.png', **kwargs
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
