"""Crops that have enough of a class: those of a literal loop, from an image that is read once."""

import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from label_folders import CLASSES, LABEL, LOAD, PACK, build, config, target_config, write_label
from mmseg.datasets.transforms import RandomCrop
from mmseg.registry import TRANSFORMS

from mmseg_da.datasets import Draw, SourceTargetDataset
from mmseg_da.datasets.rare_class_sampling import RareClassCrop, RareClassSampling
from mmseg_da.errors import UserError

SIZE, CROP = (24, 40), (8, 10)


class Counting:
    """Loads as LoadImageFromFile does, and counts how often."""

    def __init__(self):
        self.loads = 0
        self.load = build_transform(LOAD)

    def __call__(self, results):
        self.loads += 1
        return self.load(results)


def build_transform(cfg):
    return TRANSFORMS.build(cfg)


def lamps():
    """Road, with a sky of three rows and one corner of lamps."""
    ids = np.zeros(SIZE, int)
    ids[:3] = 1
    ids[-6:, -7:] = 3
    return ids


@pytest.fixture
def data(tmp_path):
    """A dataset of one image; gives it and what counts its loads."""

    def make(crop=None, before=(), **options):
        write_label(tmp_path / 'source', '0', lamps())
        counting = Counting()
        crop = crop or dict(type='RandomCrop', crop_size=CROP)
        pipeline = [counting, LABEL, *before, crop, dict(type='RandomFlip', prob=0.5), PACK]
        dataset = SourceTargetDataset(
            config(tmp_path / 'source', pipeline=pipeline),
            target_config(tmp_path / 'target'),
            rare_classes=dict(min_pixels=10, min_crop_ratio=2.0) | options,
        )
        return dataset, counting

    return make


def literal_crop(ids, wanted, seed, least, retries, cat_max_ratio=1.0):
    """The crop of the paper's loop, and how many were taken."""
    np.random.seed(seed)

    def box():
        top = np.random.randint(0, SIZE[0] - CROP[0] + 1)
        left = np.random.randint(0, SIZE[1] - CROP[1] + 1)
        return ids[top : top + CROP[0], left : left + CROP[1]]

    def fair(crop):
        counts = np.bincount(crop.ravel(), minlength=4)
        return (counts > 0).sum() > 1 and counts.max() / counts.sum() < cat_max_ratio

    def one():
        crop = box()
        for _ in range(10 if cat_max_ratio < 1 else 0):
            if fair(crop):
                break
            crop = box()
        return crop

    crop, taken = one(), 1
    for _ in range(retries):
        if (crop == wanted).sum() > least:
            break
        crop, taken = one(), taken + 1
    return crop, taken


def flips_apart(found, crop):
    return np.array_equal(found, crop) or np.array_equal(found, crop[:, ::-1])


@pytest.mark.parametrize('ratio', [1.0, 0.95])
@pytest.mark.parametrize(('wanted', 'retries'), [(3, 10), (3, 2), (3, 0), (1, 10)])
def test_crops_are_those_of_the_literal_loop(data, ratio, wanted, retries):
    crop = dict(type='RandomCrop', crop_size=CROP, cat_max_ratio=ratio)
    dataset, counting = data(crop, tries=retries)
    numbers = set()
    for seed in range(40):
        expected, taken = literal_crop(lamps(), wanted, seed, 20, retries, ratio)
        numbers.add(taken)
        sample = dataset[Draw(0, 0, seed, rare_class=wanted)]['source']
        labels = sample['data_samples'].gt_sem_seg.data[0].numpy()
        assert flips_apart(labels, expected)
        assert np.array_equal(sample['inputs'][0].numpy(), labels)  # the image is of the same crop
    assert counting.loads == 40  # whatever the number of crops
    assert len(numbers) > 1 or retries == 0
    assert max(numbers) <= retries + 1


def test_a_crop_that_is_impossible_ends_after_the_tries(data):
    dataset, _ = data(min_crop_ratio=7.9, tries=5)  # 79 of 80 pixels, of which there are 42
    assert dataset[Draw(0, 0, 1, rare_class=3)]['source']['inputs'].shape == (3, *CROP)


def test_without_a_class_or_the_option_crops_are_as_before(data, tmp_path):
    dataset, _ = data()
    crop = dict(type='RandomCrop', crop_size=CROP)
    pipeline = [LOAD, LABEL, crop, dict(type='RandomFlip', prob=0.5), PACK]
    plain = SourceTargetDataset(
        config(tmp_path / 'source', pipeline=pipeline), target_config(tmp_path / 'target')
    )
    for seed in range(5):
        ours, theirs = dataset[Draw(0, 1, seed)], plain[Draw(0, 1, seed)]
        for domain in ('source', 'target'):
            assert ours[domain]['inputs'].equal(theirs[domain]['inputs'])
        assert dataset[0]['source']['inputs'].shape == (3, *CROP)


def test_the_wish_does_not_outlive_its_sample(data):
    dataset, _ = data()
    dataset[Draw(0, 0, 1, rare_class=3)]
    ((crop,),) = dataset.rare_classes.crops
    assert isinstance(crop, RareClassCrop)
    assert crop.wanted == ()
    with pytest.raises(UserError), crop.wanting([1]):
        raise UserError('a broken file')
    assert crop.wanted == ()


def test_a_copy_in_a_worker_crops_the_same(data):
    dataset, _ = data()
    copied = pickle.loads(pickle.dumps(dataset))  # as for workers that are spawned
    for seed in range(5):
        draw = Draw(0, 0, seed, rare_class=3)
        assert copied[draw]['source']['inputs'].equal(dataset[draw]['source']['inputs'])


def test_a_resize_before_the_crop_is_done_once(data):
    resize = dict(type='RandomResize', scale=(40, 24), ratio_range=(1.0, 2.0), keep_ratio=True)
    dataset, counting = data(before=[resize], tries=500)
    for seed in range(10):
        found = dataset[Draw(0, 0, seed, rare_class=3)]['source']['data_samples']
        assert (found.gt_sem_seg.data == 3).sum() > 20
    assert counting.loads == 10


def test_a_pipeline_without_a_crop_takes_whole_images(data):
    dataset, counting = data(crop=dict(type='RandomFlip', prob=0.5))
    assert dataset.rare_classes.crops == [[]]
    assert dataset[Draw(0, 0, 0, rare_class=3)]['source']['inputs'].shape == (3, *SIZE)
    assert counting.loads == 1


def test_a_crop_of_ones_own_is_found_by_its_base(data):
    class MyCrop(RandomCrop):
        pass

    assert len(data(crop=MyCrop(CROP))[0].rare_classes.crops[0]) == 1


CROPS = [dict(type='RandomCrop', crop_size=size) for size in (CROP, (12, 12))]


@pytest.mark.parametrize(
    ('nested', 'count'),
    [
        (dict(type='RandomApply', prob=1.0, transforms=CROPS[:1]), 1),
        (dict(type='RandomChoice', transforms=[CROPS[:1], CROPS[1:]]), 2),
    ],
)
def test_a_crop_inside_of_other_transforms_wants_its_class_too(data, nested, count):
    dataset, _ = data(crop=nested, tries=500)
    assert len(dataset.rare_classes.crops[0]) == count
    sizes = set()
    for seed in range(20):
        found = dataset[Draw(0, 0, seed, rare_class=3)]['source']['data_samples']
        assert (found.gt_sem_seg.data == 3).sum() > 20
        sizes.add(found.gt_sem_seg.shape)
    assert len(sizes) == count


def test_a_crop_before_the_labels_is_told(tmp_path):
    write_label(tmp_path / 'source', '0', lamps())
    dataset = SourceTargetDataset(
        config(tmp_path / 'source', pipeline=[LOAD, CROPS[0], LABEL, PACK]),
        target_config(tmp_path / 'target'),
        rare_classes=dict(min_pixels=10, min_crop_ratio=2.0),
    )
    with pytest.raises(UserError, match=r'put dict.*LoadAnnotations.* before RandomCrop'):
        dataset[Draw(0, 0, 0, rare_class=3)]


def test_more_pixels_than_a_crop_has_are_told(data):
    with pytest.raises(UserError, match='no crop of 8 x 10 has more than 80 pixels'):
        data(min_crop_ratio=8)


def test_labels_of_several_source_classes_count_together(tmp_path):
    names = ('road', 'sky', 'lamp left', 'lamp right')
    ids = np.zeros(SIZE, int)
    ids[:5, :4], ids[5:9, :4] = 2, 3
    write_label(tmp_path / 'source', '0', ids)
    crop = dict(type='RandomCrop', crop_size=CROP)
    dataset = SourceTargetDataset(
        config(tmp_path / 'source', names, [LOAD, LABEL, crop, PACK]),
        target_config(tmp_path / 'target', classes=('lamp', 'road')),
        class_mapping={'lamp left': 'lamp', 'lamp right': 'lamp', 'sky': None},
        rare_classes=dict(min_pixels=30, min_crop_ratio=0.8, tries=500),
    )
    (table,) = dataset.rare_classes.tables(separate=False)
    assert [images.tolist() for images in table.images] == [[0], [0]]  # 20 + 16 of a lamp
    share = 36 / (24 * 40)
    odds = math.exp((1 - 2 * share) / 0.01)
    assert table.probabilities[0] / table.probabilities[1] == pytest.approx(odds)
    for seed in range(5):  # of each alone there are fewer than 24
        found = dataset[Draw(0, 0, seed, rare_class=0)]['source']['data_samples']
        assert (found.gt_sem_seg.data == 0).sum() > 24


def test_a_source_that_is_no_dataset_of_label_files_is_told(tmp_path):
    write_label(tmp_path / 'source', '0', lamps())
    repeated = dict(type='RepeatDataset', dataset=config(tmp_path / 'source'), times=2)
    sampled = SimpleNamespace(num_classes=4, table=None)
    with pytest.raises(UserError, match='the source RepeatDataset is no dataset of label files'):
        RareClassSampling({}, [build(repeated)], [sampled], CLASSES)
