"""A dataset names the file that it cannot read, and labels that do not belong to their image."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmseg.datasets import BaseSegDataset
from PIL import Image
from torch.utils.data import DataLoader

from mmseg_da.datasets.pictures import SUFFIXES
from mmseg_da.datasets.reading import CheckLabels, NamingPipeline, name_files, what_is_wrong
from mmseg_da.errors import UserError

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
CROP, PACK = dict(type='RandomCrop', crop_size=(4, 4)), dict(type='PackSegInputs')


@pytest.fixture
def build(tmp_path):
    """A dataset of two images (8, 16) with labels, in a folder of its own, and that folder."""
    for name in 'ab':
        for folder, shape in (('img', (8, 16, 3)), ('ann', (8, 16))):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(np.ones(shape, np.uint8)).save(tmp_path / f'{folder}/{name}.png')

    def make(*transforms):
        dataset = BaseSegDataset(
            data_root=str(tmp_path),
            data_prefix=dict(img_path='img', seg_map_path='ann'),
            img_suffix='.png',
            metainfo=dict(classes=('one', 'two')),
            pipeline=[*LOAD, *transforms],
        )
        name_files(dataset)
        return dataset

    return make


def save(path, array):
    Image.fromarray(array).save(path)


def test_good_files_are_read_as_before(build):
    dataset = build(CROP, PACK)
    item = dataset[1]
    assert item['inputs'].shape == (3, 4, 4)
    assert item['data_samples'].gt_sem_seg.data.unique().tolist() == [1]


@pytest.mark.parametrize('workers', [0, 1])
def test_a_damaged_file_is_named_also_by_a_worker(build, tmp_path, workers):
    dataset = build(PACK)
    (tmp_path / 'img/b.png').write_bytes(b'no picture')
    loader = DataLoader(dataset, num_workers=workers, collate_fn=list)
    with pytest.raises(UserError, match=f'{tmp_path}/img/b.png: is no image, or is damaged'):
        list(loader)


@pytest.mark.parametrize('wrap', [lambda d: ConcatDataset([d, d]), lambda d: RepeatDataset(d, 2)])
def test_wrapped_datasets_name_theirs(build, tmp_path, wrap):
    dataset = build(PACK)
    dataset.pipeline = type(dataset.pipeline).__mro__[1](dataset.pipeline.transforms)
    wrapped = wrap(dataset)
    name_files(wrapped)
    (tmp_path / 'ann/a.png').unlink()
    with pytest.raises(UserError, match=r'ann/a\.png: no such label'):
        wrapped[2]


def test_naming_twice_changes_nothing(build):
    dataset = build(CROP, PACK)
    before = list(dataset.pipeline.transforms)
    name_files(dataset)
    assert dataset.pipeline.transforms == before
    kinds = [type(each).__name__ for each in before]
    assert kinds == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'CheckLabels',
        'RandomCrop',
        'CheckLabels',
        'PackSegInputs',
    ]


def test_a_larger_label_is_seen_before_it_is_cropped(build, tmp_path):
    """After the crop it would have the size of the image, and show another place."""
    dataset = build(CROP, PACK)
    save(tmp_path / 'ann/a.png', np.ones((16, 32), np.uint8))
    with pytest.raises(UserError, match=r'ann/a\.png: the label is 16 x 32 .* is 8 x 16'):
        dataset[0]


def test_a_fixed_size_mends_a_label_of_another_size(build, tmp_path):
    """Both are brought to it before they are compared."""
    dataset = build(dict(type='Resize', scale=(8, 4), keep_ratio=False), PACK)
    save(tmp_path / 'ann/a.png', np.ones((4, 8), np.uint8))
    assert dataset[0]['data_samples'].gt_sem_seg.data.shape == (1, 4, 8)


def test_labels_of_full_size_belong_to_a_resized_image(build):
    """As in testing, where they are loaded after the resize."""
    dataset = build()
    resize = dict(type='Resize', scale=(8, 4), keep_ratio=False)
    tested = BaseSegDataset(
        data_root=dataset.data_root,
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        img_suffix='.png',
        metainfo=dict(classes=('one', 'two')),
        pipeline=[LOAD[0], resize, LOAD[1], PACK],
    )
    name_files(tested)
    assert tested[0]['inputs'].shape == (3, 4, 8)
    assert tested[0]['data_samples'].gt_sem_seg.data.shape == (1, 8, 16)


@pytest.mark.parametrize(
    ('label', 'fits'), [(0, True), (1, True), (2, False), (254, False), (255, True)]
)
def test_labels_are_classes_or_ignored(build, tmp_path, label, fits):
    dataset = build(PACK)
    save(tmp_path / 'ann/a.png', np.full((8, 16), label, np.uint8))
    if fits:
        assert dataset[0]['data_samples'].gt_sem_seg.data.unique().tolist() == [label]
        return
    with pytest.raises(
        UserError, match=rf'a\.png: label {label} is none of the 2 classes \(0 to 1\)'
    ):
        dataset[0]


def test_any_label_passes_where_the_classes_are_not_known():
    results = dict(img=np.zeros((2, 2, 3)), gt_seg_map=np.full((2, 2), 99, np.uint8))
    assert CheckLabels(0)(results) is results


def test_another_failure_names_the_image_and_what_was_said():
    def broken(results):
        raise ZeroDivisionError('by zero')

    pipeline = NamingPipeline([broken])
    with pytest.raises(UserError, match=r'x\.npy: its pipeline failed: ZeroDivisionError: by zero'):
        pipeline(dict(img_path='x.npy'))


def test_it_can_be_sent_to_another_process(build):
    again = pickle.loads(pickle.dumps(build(CROP, PACK)))
    assert again[0]['inputs'].shape == (3, 4, 4)


def test_files_elsewhere_and_of_other_kinds_are_not_judged(tmp_path):
    (tmp_path / 'raw.npy').write_bytes(b'x')
    for path in ('s3://bucket/a.png', tmp_path / 'raw.npy'):
        assert what_is_wrong(path, 'image') is None


def test_16_bit_labels_of_few_classes_are_fine(tmp_path):
    save(tmp_path / 'a.png', np.full((4, 4), 3, np.uint16))
    assert what_is_wrong(tmp_path / 'a.png', 'label') is None
    save(tmp_path / 'a.png', np.full((4, 4), 259, np.uint16))
    assert 'ids above 255' in what_is_wrong(tmp_path / 'a.png', 'label')


@pytest.mark.stack
@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_other_kinds_of_images_are_read_as_rgb_of_8_bits(tmp_path, suffix):
    """What a training sees of grey, alpha, palette and 16 bits: the high byte, not the low one."""
    rgb = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
    grey, few = rgb[..., 0], rgb[..., 0] % 2
    palette = Image.fromarray(few)
    palette.putpalette([1, 2, 3, 250, 251, 252])
    kinds = dict(
        rgb=(rgb, rgb),
        grey=(grey, np.repeat(grey[..., None], 3, -1)),
        alpha=(np.dstack([rgb, grey]), rgb),
        palette=(palette, np.where(few[..., None], (250, 251, 252), (1, 2, 3))),
        deep=(rgb.astype(np.uint16) * 257, rgb),
        deep_grey=(grey.astype(np.uint16) * 256 + 255, np.repeat(grey[..., None], 3, -1)),
    )
    for name, (stored, _) in kinds.items():
        path = tmp_path / f'{name}{suffix}'
        if isinstance(stored, Image.Image):
            stored.save(path)
        else:  # Pillow writes no colours of 16 bits
            order = stored if stored.ndim == 2 else stored[..., [2, 1, 0, 3][: stored.shape[-1]]]
            assert cv2.imwrite(str(path), order)
    dataset = BaseSegDataset(
        data_root=str(tmp_path),
        data_prefix=dict(img_path=''),
        img_suffix=suffix,
        metainfo=dict(classes=('one', 'two')),
        pipeline=[LOAD[0], PACK],
    )
    name_files(dataset)
    assert len(dataset) == len(kinds)
    for index in range(len(dataset)):
        item = dataset[index]
        name = Path(item['data_samples'].img_path).stem
        pixels = item['inputs'].flip(0).permute(1, 2, 0).numpy()
        assert pixels.dtype == np.uint8
        assert pixels.tolist() == kinds[name][1].tolist(), name


@pytest.mark.parametrize('suffix', [*SUFFIXES, '.gif'])
def test_every_kind_of_picture_that_we_read_is_looked_at(tmp_path, suffix):
    path = tmp_path / f'b{suffix}'
    path.write_text('no picture')
    assert f'{path}: is no image, or is damaged' in what_is_wrong(path, 'image')
    save(path, np.ones((4, 4, 3), np.uint8))
    assert what_is_wrong(path, 'image') is None


def test_a_tiff_of_numbers_which_pillow_does_not_know_passes(tmp_path):
    path = tmp_path / 'b.tif'
    assert cv2.imwrite(str(path), np.ones((4, 4, 3), np.float32))
    assert what_is_wrong(path, 'image') is None
    path.write_bytes(path.read_bytes()[:3])
    assert 'is no image, or is damaged' in what_is_wrong(path, 'image')
