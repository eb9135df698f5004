"""Pseudo labels on disk: where they lie, what is written, how a target pipeline reads them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_da.datasets import Draw, LoadPseudoLabels, SourceTargetDataset
from mmseg_da.datasets.pseudo_labels import (
    find_label,
    label_names,
    read_prediction,
    write_label,
    write_prediction,
)
from mmseg_da.errors import UserError

LOAD, LABEL, PACK = (
    dict(type=t) for t in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')
)
CLASSES = ('road', 'sky', 'car')


def test_a_label_lies_as_its_image_below_the_folder_of_all():
    names = label_names(['/d/t/a/1.jpg', '/d/t/b/1.png', '/d/t/2.png'])
    assert [str(each) for each in names.values()] == ['a/1.png', 'b/1.png', '2.png']
    assert list(label_names(['/d/a/1.jpg', '/d/a/2.jpg']).values()) == [
        Path('1.png'),
        Path('2.png'),
    ]


def test_images_that_would_share_a_label_or_are_none_are_refused():
    with pytest.raises(UserError, match=r'1\.jpg and 1\.png would both'):
        label_names(['/d/1.jpg', '/d/1.png'])
    with pytest.raises(UserError, match='no image'):
        label_names([])


def test_a_label_is_found_wherever_images_and_labels_went(tmp_path):
    for name in ('1.png', 'a/1.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_label(tmp_path, '/other/place/a/1.jpg') == tmp_path / 'a/1.png'
    assert find_label(tmp_path, '/other/place/1.jpg') == tmp_path / '1.png'
    assert find_label(tmp_path, '/other/place/2.jpg') is None


def test_predictions_come_back_as_they_went(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 256, (5, 7), np.uint8)
    bins = rng.integers(0, 65536, (5, 7), np.int32)
    bins[0, :3] = 0, 255, 65535
    write_prediction(tmp_path / 'a/p.png', labels, bins)
    read = read_prediction(tmp_path / 'a/p.png')
    assert (read[0] == labels).all()
    assert (read[1] == bins).all()
    assert read[1].dtype == np.int32
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['p.png']


def test_a_damaged_prediction_is_told(tmp_path):
    path = tmp_path / 'a/b/p.png'
    path.parent.mkdir(parents=True)
    path.write_bytes(b'no picture')
    with pytest.raises(UserError, match=r'p\.png: is missing or damaged .*remove .*/a and label'):
        read_prediction(path)


@pytest.mark.parametrize('palette', [None, [[255, 0, 0], [0, 255, 0]]])
def test_labels_are_one_byte_a_pixel(tmp_path, palette):
    labels = np.uint8([[0, 1, 255]])
    write_label(tmp_path / 'l.png', labels, palette)
    with Image.open(tmp_path / 'l.png') as picture:
        assert picture.mode == ('L' if palette is None else 'P')
        assert np.asarray(picture).tolist() == [[0, 1, 255]]
        if palette:
            assert np.asarray(picture.convert('RGB'))[0].tolist() == [*palette, [0, 0, 0]]


@pytest.fixture
def folders(tmp_path):
    """Three images of 4x6 per domain, whose pixels tell left from right, and pseudo labels."""
    for domain in ('source', 'target'):
        for number in range(3):
            pixels = np.zeros((4, 6, 3), np.uint8)
            pixels[:, :, 0] = 10 * np.arange(6)
            ids = np.arange(6, dtype=np.uint8)[None].repeat(4, 0) % 3
            for path, content in (('images', pixels), ('labels', ids)):
                file = tmp_path / domain / path / f'{number}.png'
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(content).save(file)
    return tmp_path


def dataset(root, domain, pipeline):
    prefix = dict(img_path='images') | (dict(seg_map_path='labels') if domain == 'source' else {})
    return dict(
        type='BaseSegDataset',
        data_root=str(root / domain),
        data_prefix=prefix,
        img_suffix='.png',
        metainfo=dict(classes=CLASSES),
        pipeline=pipeline,
    )


def pair(root, *transforms):
    target = [LOAD, *transforms, PACK]
    return SourceTargetDataset(
        dataset(root, 'source', [LOAD, LABEL, PACK]), dataset(root, 'target', target)
    )


def pseudo(root, ids):
    for number in range(3):
        write_label(root / f'pseudo/{number}.png', np.uint8(ids), None)
    return dict(type='LoadPseudoLabels', folder=str(root / 'pseudo'))


IDS = [[0, 1, 2, 255, 1, 0]] * 4


def test_target_samples_hold_pseudo_labels_and_no_ground_truth(folders):
    sample = pair(folders, pseudo(folders, IDS))[0]['target']['data_samples']
    assert sample.pseudo_sem_seg.data.tolist() == [IDS]
    assert 'gt_sem_seg' not in sample
    source = pair(folders, pseudo(folders, IDS))[0]['source']['data_samples']
    assert 'gt_sem_seg' in source
    assert 'pseudo_sem_seg' not in source


def test_labels_are_flipped_cropped_and_resized_with_the_image(folders):
    load = pseudo(folders, [[0, 1, 2, 0, 1, 2]] * 4)
    transforms = [
        dict(type='RandomFlip', prob=0.5),
        dict(type='RandomCrop', crop_size=(4, 4)),
        dict(type='Resize', scale=(8, 8), interpolation='nearest'),
    ]
    data, seen = pair(folders, load, *transforms), set()
    for seed in range(20):
        item = data[Draw(0, seed % 3, seed)]['target']
        column = item['inputs'][-1, 0].long() // 10  # OpenCV reads BGR
        labels = item['data_samples'].pseudo_sem_seg.data[0, 0]
        assert labels.tolist() == (column % 3).tolist()
        seen.add(tuple(column.tolist()))
    assert len(seen) >= 4  # of three places, either way round


def test_one_of_several_targets_may_have_labels(folders):
    load = pseudo(folders, IDS)
    source = dataset(folders, 'source', [LOAD, LABEL, PACK])
    targets = [
        dataset(folders, 'target', [LOAD, *labels, PACK]) for labels in ([], [load])
    ]  # fmt: skip
    data = SourceTargetDataset(source, targets)
    labelled = ['pseudo_sem_seg' in data.target_sample(i)['data_samples'] for i in range(6)]
    assert labelled == [False] * 3 + [True] * 3


@pytest.mark.parametrize('kind', ['RandomFlip', 'RandomCrop'])
def test_labels_that_would_not_follow_the_image_are_refused(folders, kind):
    moving = dict(type='RandomFlip', prob=0.5)
    if kind == 'RandomCrop':
        moving = dict(type=kind, crop_size=(4, 6))
    with pytest.raises(UserError, match=f'has {kind} before LoadPseudoLabels, whose labels'):
        pair(folders, moving, pseudo(folders, IDS))
    inner = dict(type='RandomApply', transforms=[moving])
    with pytest.raises(UserError, match='before LoadPseudoLabels'):
        pair(folders, inner, pseudo(folders, IDS))
    pair(folders, pseudo(folders, IDS), moving)


def test_a_missing_folder_is_told(folders):
    with pytest.raises(UserError, match='nowhere: no such folder of pseudo labels'):
        LoadPseudoLabels('nowhere')


def test_an_image_without_a_label_is_told(folders):
    data = pair(folders, pseudo(folders, IDS))
    (folders / 'pseudo/1.png').unlink()
    with pytest.raises(UserError, match=r'images/1\.png: has no pseudo label in .*pseudo'):
        data.target_sample(1)


def test_labels_of_another_size_are_told(folders):
    data = pair(folders, pseudo(folders, [[0, 1]]))
    with pytest.raises(UserError, match=r'the pseudo label is 1 x 2 .* image is 4 x 6.*size='):
        data.target_sample(0)


def test_labels_that_are_no_class_are_told(folders):
    data = pair(folders, pseudo(folders, [[0, 1, 2, 3, 0, 0]] * 4))
    with pytest.raises(UserError, match=r'pseudo/0\.png: label 3 is none of the 3 classes'):
        data.target_sample(0)


def test_damaged_and_coloured_labels_are_told(folders):
    data = pair(folders, pseudo(folders, IDS))
    (folders / 'pseudo/0.png').write_bytes(b'no picture')
    with pytest.raises(UserError, match=r'pseudo/0\.png: the pseudo label cannot be read'):
        data.target_sample(0)
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folders / 'pseudo/1.png')
    with pytest.raises(UserError, match='holds RGB colours'):
        data.target_sample(1)
