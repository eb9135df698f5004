"""The cross-city set: PNG and JPEG images side by side, labels by name."""

import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations
from street_data import CLASSES_13, picture, save

from mmseg_da.datasets.conversion import convert_cross_city
from mmseg_da.datasets.presence import check_data
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

PREFIX = dict(img_path='Rome/Images/Test', seg_map_path='Rome/Labels/Test')


@pytest.fixture
def root(tmp_path):
    for name, suffix in (('b', 'png'), ('a', 'jpg'), ('c', 'png')):
        save(tmp_path / f'Rome/Images/Test/{name}.{suffix}', picture((2, 3), 0))
        save(tmp_path / f'Rome/Labels/Test/{name}_eval.png', [[7, 8, 11], [33, 17, 0]])
    convert_cross_city(tmp_path, show_progress=False)
    return tmp_path


def config(root, **changes):
    return dict(
        type='CrossCityDataset',
        data_root=str(root),
        data_prefix=PREFIX,
        metainfo=dict(classes=CLASSES_13),
        pipeline=[dict(type='LoadImageFromFile'), dict(type=LoadAnnotations)],
    ) | changes  # fmt: skip


def names(dataset):
    return [dataset.get_data_info(i)['img_path'].rsplit('/')[-1] for i in range(len(dataset))]


@pytest.mark.parametrize('ann_file', ['', 'Rome.txt'])
def test_both_endings_are_found_in_order(root, ann_file):
    dataset = DATASETS.build(config(root, ann_file=ann_file))
    assert names(dataset) == ['a.jpg', 'b.png', 'c.png']
    for sample in dataset:
        assert sample['gt_seg_map'].tolist() == [[0, 1, 2], [12, 255, 255]]
        assert sample['img'].shape == (2, 3, 3)


def test_one_ending_can_be_chosen(root):
    assert names(DATASETS.build(config(root, img_suffix='.jpg'))) == ['a.jpg']


def test_the_palette_has_a_colour_per_class(root):
    dataset = DATASETS.build(config(root))
    assert len(dataset.metainfo['palette']) == len(dataset.metainfo['classes']) == 13


@pytest.mark.parametrize('ann_file', ['', 'Rome.txt'])
def test_complete_data_passes(root, ann_file):
    check_data(dict(val_dataloader=dict(dataset=config(root, ann_file=ann_file))))


def problem(cfg):
    with pytest.raises(UserError) as error:
        check_data(dict(val_dataloader=dict(dataset=cfg)))
    return str(error.value)


def test_a_missing_city_is_named_with_what_follows(root):
    prefix = dict(img_path='Oslo/Images/Test', seg_map_path='Oslo/Labels/Test')
    said = problem(config(root, data_prefix=prefix))
    assert f'{root}/Oslo/Images/Test: no such folder' in said
    assert 'docs/data.md' in said
    assert f'python tools/dataset_converters/crosscity.py {root}`' in said


def test_unconverted_labels_name_the_converter(root):
    (root / 'Rome/Labels/Test/a_labelTrainIds.png').unlink()
    said = problem(config(root))
    assert f'{root}/Rome/Labels/Test/a_labelTrainIds.png: no such label' in said
    assert f'Run `python tools/dataset_converters/crosscity.py {root}`' in said


@pytest.mark.parametrize(
    ('ann_file', 'missing'),
    [('', "no image that ends in '.png' or '.jpg'"), ('Rome.txt', 'no image a.png or a.jpg')],
)
def test_a_missing_image_names_both_endings(root, ann_file, missing):
    for path in (root / 'Rome/Images/Test').iterdir():
        path.unlink()
    assert missing in problem(config(root, ann_file=ann_file))


def test_unconverted_synthia_names_its_converter(tmp_path):
    save(tmp_path / 'RGB/0000000.png', np.zeros((2, 2, 3)))
    (tmp_path / 'GT/LABELS').mkdir(parents=True)
    prefix = dict(img_path='RGB', seg_map_path='GT/LABELS')
    said = problem(config(tmp_path, type='SynthiaDataset', data_prefix=prefix))
    assert f'Run `python tools/dataset_converters/synthia.py {tmp_path}`' in said
