"""Rare classes: the probabilities, the draws by a chi-square test, and the crops by a literal loop."""

import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from label_folders import CLASSES, LABEL, LOAD, PACK, build, config, target_config, write_label

from mmseg_da.datasets import Draw, SourceTargetDataset
from mmseg_da.datasets.rare_class_sampling import RareClassCrop
from mmseg_da.datasets.rare_classes import RareClasses, RareClassTable, class_probabilities
from mmseg_da.errors import UserError

CHI2 = {1: 10.83, 2: 13.82, 3: 16.27, 5: 20.52}  # exceeded once in 1000, by degrees of freedom


def settings(**options):
    return RareClasses(**(dict(min_pixels=10) | options))


def test_probabilities_by_hand():
    pixels = np.array([80, 15, 5, 0])
    found = class_probabilities(pixels, np.array([True, True, True, False]), temperature=0.1)
    weights = [math.exp((1 - share) / 0.1) for share in (0.8, 0.15, 0.05)]
    assert found[:3].tolist() == pytest.approx([w / sum(weights) for w in weights], rel=1e-12)
    assert found[3] == 0
    # exp(0.1 / 0.1) = e between the two rarest
    assert found[2] / found[1] == pytest.approx(math.e)


def test_shares_are_of_all_pixels_also_of_classes_that_cannot_be_drawn():
    pixels = np.array([50, 30, 20])
    found = class_probabilities(pixels, np.array([True, True, False]), temperature=0.1)
    assert found[1] / found[0] == pytest.approx(math.exp(0.2 / 0.1))
    assert found[2] == 0


@pytest.mark.parametrize('temperature', [1e9, math.inf])
def test_a_high_temperature_draws_all_classes_alike(temperature):
    drawable = np.array([True, False, True, True])
    found = class_probabilities(np.array([900, 50, 49, 1]), drawable, temperature)
    assert found.tolist() == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3], abs=1e-9)


def test_a_low_temperature_draws_the_rarest_and_never_overflows():
    found = class_probabilities(np.array([10**12, 10**6, 10]), np.ones(3, bool), 1e-9)
    assert np.isfinite(found).all()
    assert found.argmax() == 2
    assert found.sum() == pytest.approx(1)


def test_only_images_with_more_than_the_least_pixels_are_drawn():
    pixels = np.array([[100, 10, 0], [50, 11, 0], [0, 300, 9], [11, 0, 0]])
    table = RareClassTable(pixels, settings())
    assert [images.tolist() for images in table.images] == [[0, 1, 3], [1, 2], []]
    assert table.probabilities[2] == 0
    rng = np.random.default_rng(0)
    assert {table.draw(rng)[1] for _ in range(500)} <= {0, 1}


def chi_square(found: Counter, expected: dict) -> float:
    total = sum(found.values())
    return sum((found[key] - total * p) ** 2 / (total * p) for key, p in expected.items())


@pytest.mark.parametrize('temperature', [0.05, 0.3, math.inf])
def test_draws_follow_the_probabilities(temperature):
    pixels = np.array([[900, 0, 20, 0], [500, 60, 0, 0], [700, 50, 11, 0], [0, 90, 0, 30]])
    table = RareClassTable(pixels, settings(temperature=temperature))
    shares = pixels.sum(axis=0) / pixels.sum()
    weights = np.exp((1 - shares) / temperature)
    expected = weights / weights.sum()
    rng = np.random.default_rng(3)
    drawn = [table.draw(rng) for _ in range(6000)]
    classes = Counter(label for _, label in drawn)
    probable = {label: p for label, p in enumerate(expected) if p * 6000 > 5}
    assert chi_square(classes, probable) < CHI2[3]
    images = Counter(image for image, label in drawn if label == 1)
    assert chi_square(images, dict.fromkeys((1, 2, 3), 1 / 3)) < CHI2[2]


def test_no_class_with_enough_pixels_is_told():
    with pytest.raises(
        UserError, match='more than 10 pixels of it, the most is 10: give a smaller'
    ):
        RareClassTable(np.array([[10, 3], [0, 10]]), settings())


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (dict(temperature=0), 'temperature is 0, but has to be a number above 0'),
        (dict(temperature=-0.1), 'temperature is -0.1'),
        (dict(temperature=math.nan), 'temperature is nan'),
        (dict(temperature='low'), "temperature is 'low'"),
        (dict(min_pixels=-1), 'min_pixels is -1'),
        (dict(min_pixels=0.5), 'min_pixels is 0.5'),
        (dict(min_pixels=True), 'min_pixels is True'),
        (dict(min_crop_ratio=-1), 'min_crop_ratio is -1'),
        (dict(min_crop_ratio=math.inf), 'min_crop_ratio is inf'),
        (dict(tries=-1), 'tries is -1'),
        (dict(tries=None), 'tries is None'),
        (dict(cache=3), 'cache is 3, but has to be the name of a folder'),
        (dict(classes=3), "'classes' is no setting; there are temperature, min_pixels"),
        (0.01, 'rare_classes is 0.01, but has to be a dict'),
    ],
)
def test_wrong_settings_are_told(options, said):
    with pytest.raises(UserError) as error:
        RareClasses.of(options)
    assert said in str(error.value)


def test_no_settings_are_the_papers():
    found = RareClasses.of({})
    assert (found.temperature, found.min_pixels, found.min_crop_pixels) == (0.01, 3000, 1500)
    assert found.tries == 10


# --- crops -----------------------------------------------------------------------------------------

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
    from mmseg.registry import TRANSFORMS

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
    (crop,) = dataset.rare_classes.crops
    assert isinstance(crop, RareClassCrop)
    assert crop.wanted == ()
    with pytest.raises(UserError), crop.wanting([1]):
        raise UserError('a broken file')
    assert crop.wanted == ()


def test_a_resize_before_the_crop_is_done_once(data):
    resize = dict(type='RandomResize', scale=(40, 24), ratio_range=(1.0, 2.0), keep_ratio=True)
    dataset, counting = data(before=[resize], tries=500)
    for seed in range(10):
        found = dataset[Draw(0, 0, seed, rare_class=3)]['source']['data_samples']
        assert (found.gt_sem_seg.data == 3).sum() > 20
    assert counting.loads == 10


def test_a_pipeline_without_a_crop_takes_whole_images(data):
    dataset, counting = data(crop=dict(type='RandomFlip', prob=0.5))
    assert dataset.rare_classes.crops == [None]
    assert dataset[Draw(0, 0, 0, rare_class=3)]['source']['inputs'].shape == (3, *SIZE)
    assert counting.loads == 1


def test_a_crop_of_ones_own_is_found_by_its_base(data):
    from mmseg.datasets.transforms import RandomCrop

    class MyCrop(RandomCrop):
        pass

    assert data(crop=MyCrop(CROP))[0].rare_classes.crops[0] is not None


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
    from mmseg_da.datasets.rare_class_sampling import RareClassSampling

    with pytest.raises(UserError, match='the source RepeatDataset is no dataset of label files'):
        RareClassSampling({}, [build(repeated)], [sampled], CLASSES)
