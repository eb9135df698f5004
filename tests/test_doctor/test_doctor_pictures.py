"""How the doctor tells domains apart, and what it says of classes."""

import numpy as np
import pytest

from mmseg_da.doctor.domains import Domain, compare
from mmseg_da.doctor.findings import Finding, worst
from mmseg_da.doctor.pictures import told_apart


def test_domains_that_differ_are_told_apart_and_equal_ones_are_not():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(200, 8)), rng.normal(size=(200, 8))
    assert told_apart(one, other) == pytest.approx(0.5, abs=0.12)
    other[:, 3] += 6
    assert told_apart(one, other) > 0.97
    assert told_apart(one[:20], other) > 0.9  # both domains count alike
    assert told_apart(one, other) == told_apart(one, other)


def domain(name, pixels):
    return Domain(name, None, ('road', 'car', 'sky'), True, [], np.array(pixels))


def test_classes_of_one_domain_alone_are_named():
    found = compare([domain('source', [5, 0, 3]), domain('validation', [5, 2, 0])])
    assert [each.level for each in found] == ['warning', 'warning']
    assert 'no source image teaches car' in found[0].text
    assert 'the validation images have no sky' in found[1].text
    assert compare([domain('source', [5, 1, 3]), domain('validation', [5, 2, 1])]) == []
    both = [domain('source 0', [5, 0, 3]), domain('source 1', [0, 4, 0])]
    assert compare([*both, domain('validation', [5, 2, 1])]) == []


def test_shares_are_of_the_labelled_pixels():
    assert domain('source', [1, 0, 3]).shares == dict(road=0.25, car=0.0, sky=0.75)


def test_the_worst_level():
    levels = [Finding(level, 'data', '') for level in ('good', 'bad', 'warning')]
    assert worst(levels) == 'bad'
    assert worst(levels[:1]) == 'good'
    assert worst([]) == 'good'
