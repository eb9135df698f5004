import numpy as np
import pytest
from mmseg.datasets import CityscapesDataset
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmseg_da.datasets.conversion import convert_gta
from mmseg_da.datasets.gta import GTADataset
from mmseg_da.registry import DATASETS

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': LoadAnnotations}]


@pytest.fixture
def root(tmp_path):
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    for number in (1, 2, 3):
        name = f'{number:05d}.png'
        Image.new('RGB', (3, 2), (number, 0, 0)).save(tmp_path / 'images' / name)
        label = Image.fromarray(np.uint8([[7, 0, 34], [8, 33, number + 10]]))
        label.putpalette(list(range(255, -1, -1)) * 3)
        label.save(tmp_path / 'labels' / name)
    convert_gta(tmp_path, val=1)
    return tmp_path


def build(root, **kwargs):
    config = {
        'type': 'GTADataset',
        'data_root': str(root),
        'data_prefix': {'img_path': 'images', 'seg_map_path': 'labels'},
        'pipeline': PIPELINE,
    }
    return DATASETS.build(config | kwargs)


def test_folder_is_loaded_with_train_ids(root):
    dataset = build(root)
    assert isinstance(dataset, GTADataset)
    assert len(dataset) == 3
    sample = dataset[2]
    assert sample['img_path'].endswith('images/00003.png')
    assert sample['seg_map_path'].endswith('labels/00003_labelTrainIds.png')
    assert sample['img'][0, 0].tolist() == [0, 0, 3]
    assert sample['gt_seg_map'].tolist() == [[0, 255, 255], [1, 18, 4]]


@pytest.mark.parametrize(('split', 'names'), [('train', ['00001', '00002']), ('val', ['00003'])])
def test_split_lists_of_the_converter(root, split, names):
    dataset = build(root, ann_file=f'{split}.txt')
    loaded = [
        dataset.get_data_info(i)['img_path'].rsplit('/')[-1][:-4] for i in range(len(dataset))
    ]
    assert loaded == names


def test_classes_are_those_of_cityscapes(root):
    dataset = build(root)
    assert len(dataset.metainfo['classes']) == 19
    assert dataset.metainfo['classes'] == CityscapesDataset.METAINFO['classes']
    assert dataset.metainfo['palette'] == CityscapesDataset.METAINFO['palette']
    assert dataset.reduce_zero_label is False
