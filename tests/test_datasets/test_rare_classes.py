"""Rare classes: the probabilities by hand, the draws by a chi-square test, and wrong settings."""

import math
from collections import Counter

import numpy as np
import pytest

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
