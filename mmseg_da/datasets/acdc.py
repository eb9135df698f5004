"""ACDC, the Adverse Conditions Dataset with Correspondences."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.datasets import CityscapesDataset

from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

CONDITIONS = ('fog', 'night', 'rain', 'snow')
_SPLITS = ('train', 'val', 'test')
_PREFIX = dict(img_path='rgb_anon', seg_map_path='gt')


@DATASETS.register_module()
class ACDCDataset(CityscapesDataset):
    """ACDC: streets in fog, at night, in rain and in snow, with the 19 Cityscapes classes.

    Layout, as it is published::

        rgb_anon/{fog,night,rain,snow}/{train,val,test}/GOPR0475/GOPR0475_frame_000041_rgb_anon.png
        gt/{fog,night,rain,snow}/{train,val}/GOPR0475/GOPR0475_frame_000041_gt_labelTrainIds.png

    1,600 images are for training, 406 for validation and 2,000 for testing, whose labels are not
    public. The labels hold train ids 0..18, 255 is ignored. The images in clear weather that come with
    them (``train_ref`` and so on) are not read.

    Source: Sakaridis et al., "ACDC: The Adverse Conditions Dataset with Correspondences for Semantic
    Driving Scene Understanding", ICCV 2021, https://acdc.vision.ee.ethz.ch

    Args:
        split: ``train``, ``val`` or ``test``.
        conditions: Some of ``fog``, ``night``, ``rain`` and ``snow``, all by default.
        data_prefix: Folders of the images and labels of all conditions.
        img_suffix: Suffix of an image file.
        seg_map_suffix: Suffix of a label file, in place of ``img_suffix``.
        **kwargs: See :class:`mmseg.datasets.BaseSegDataset`. With an ``ann_file``, its lines, such
            as ``fog/train/GOPR0475/GOPR0475_frame_000041``, name the images and the split is not
            looked at.

    Raises:
        UserError: There is no such split or condition.
    """

    def __init__(
        self,
        split: str = 'train',
        conditions: Sequence[str] = CONDITIONS,
        data_prefix: Mapping[str, str] | None = None,
        img_suffix: str = '_rgb_anon.png',
        seg_map_suffix: str = '_gt_labelTrainIds.png',
        **kwargs: Any,
    ) -> None:
        _require_known(split, conditions)
        self.split, self.conditions = split, tuple(conditions)
        super().__init__(
            data_prefix=dict(data_prefix or _PREFIX),
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Find the images of the split, condition by condition."""
        if self.ann_file:
            return super().load_data_list()
        whole, found = self.data_prefix, []
        for prefix in _prefixes(whole, self.split, self.conditions):
            self.data_prefix = prefix
            found += super().load_data_list()
        self.data_prefix = whole
        return found

    @staticmethod
    def parts(cfg: Mapping[str, Any]) -> list[dict]:
        """The config of a dataset for each folder that a config of this class reads.

        Raises:
            UserError: As the class.
        """
        prefix = cfg.get('data_prefix') or _PREFIX
        if cfg.get('ann_file'):
            return [dict(cfg, data_prefix=prefix)]
        split, conditions = cfg.get('split', 'train'), cfg.get('conditions', CONDITIONS)
        _require_known(split, conditions)
        return [dict(cfg, data_prefix=each) for each in _prefixes(prefix, split, conditions)]


def _require_known(split: Any, conditions: Any) -> None:
    if split not in _SPLITS:
        raise UserError(f'ACDCDataset: split is {split!r}, but has to be one of {_SPLITS}')
    listed = isinstance(conditions, list | tuple)
    if not listed or not conditions or any(each not in CONDITIONS for each in conditions):
        raise UserError(
            f'ACDCDataset: conditions is {conditions!r}, but has to be a list of some of '
            f'{list(CONDITIONS)}'
        )


def _prefixes(
    prefix: Mapping[str, str], split: str, conditions: Sequence[str]
) -> list[dict[str, str]]:
    return [
        {key: f'{folder}/{condition}/{split}' for key, folder in prefix.items()}
        for condition in conditions
    ]
