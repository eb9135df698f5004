"""SYNTHIA as converted is loaded with 19, 16 or 13 classes, by name."""

import numpy as np
import pytest
from mmseg.datasets import CityscapesDataset
from mmseg.datasets.transforms import LoadAnnotations
from street_data import ABSENT_13, ABSENT_16, CLASSES, CLASSES_13, CLASSES_16, LAYOUTS

from mmseg_da.datasets import SynthiaDataset
from mmseg_da.datasets.conversion import convert_synthia
from mmseg_da.registry import DATASETS

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': LoadAnnotations}]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('synthia')
    LAYOUTS['synthia'].write(folder, 3)
    convert_synthia(folder, val=1, show_progress=False)
    return folder


def build(root, **kwargs):
    config = {
        'type': 'SynthiaDataset',
        'data_root': str(root),
        'data_prefix': {'img_path': 'RGB', 'seg_map_path': 'GT/LABELS'},
        'pipeline': PIPELINE,
    }
    return DATASETS.build(config | kwargs)


def test_labels_are_train_ids(root, tmp_path):
    expected = LAYOUTS['synthia'].write(tmp_path, 3)
    dataset = build(root)
    assert isinstance(dataset, SynthiaDataset)
    assert len(dataset) == 3
    for number, sample in enumerate(dataset):
        assert sample['img_path'].endswith(f'RGB/{number:07d}.png')
        assert sample['seg_map_path'].endswith(f'GT/LABELS/{number:07d}_labelTrainIds.png')
        np.testing.assert_array_equal(sample['gt_seg_map'], expected[number])
    assert dataset.metainfo['classes'] == CityscapesDataset.METAINFO['classes'] == tuple(CLASSES)
    assert dataset.reduce_zero_label is False


@pytest.mark.parametrize(('split', 'count'), [('train', 2), ('val', 1)])
def test_split_lists_of_the_converter(root, split, count):
    assert len(build(root, ann_file=f'{split}.txt')) == count


@pytest.mark.parametrize(
    ('classes', 'absent'), [(CLASSES_16, ABSENT_16), (CLASSES_13, ABSENT_13)], ids=['16', '13']
)
@pytest.mark.parametrize('kind', ['SynthiaDataset', 'CrossCityDataset'])
def test_fewer_classes_are_renumbered_and_the_others_ignored(root, kind, classes, absent):
    assert len(classes) == 19 - len(absent)
    full = build(root, type=kind)
    fewer = build(root, type=kind, metainfo=dict(classes=classes))
    for before, after in zip(full, fewer, strict=True):
        for number, name in enumerate(CLASSES):
            expected = 255 if name in absent else classes.index(name)
            found = np.unique(after['gt_seg_map'][before['gt_seg_map'] == number]).tolist()
            assert found in ([expected], [])
        assert (after['gt_seg_map'][before['gt_seg_map'] == 255] == 255).all()
    colours = dict(zip(CLASSES, CityscapesDataset.METAINFO['palette'], strict=True))
    assert fewer.metainfo['palette'] == [colours[name] for name in classes]


def test_a_class_that_there_is_not_is_refused(root):
    with pytest.raises(ValueError, match='not a subset'):
        build(root, metainfo=dict(classes=('road', 'tram')))
