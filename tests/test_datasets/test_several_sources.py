"""Sources of different class sets, and which one an image is from."""

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from test_source_target import GRID, TARGET, Folder, labels_of

from mmseg_da.datasets import Draw, SourceTargetDataset, SourceTargetSampler
from mmseg_da.errors import UserError


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def target(folder):
    return folder('target', [np.zeros((4, 6))] * 5, **TARGET)


@pytest.fixture
def sources(folder):
    """One in the target's classes, one that lacks the second, one with names of its own."""
    return [
        folder('full', [GRID] * 2),
        folder('fewer', [[[0, 1], [1, 255]]] * 3, classes=('car', 'road')),
        folder('other', [[[0, 1], [2, 255]]], classes=('van', 'dust', 'sky')),
    ]


MAPPINGS = [None, {}, dict(van='car', dust=None)]


def test_each_source_is_mapped_by_name_with_its_own_mapping(sources, target):
    dataset = SourceTargetDataset(sources, target, class_mapping=MAPPINGS)
    assert len(dataset) == 6
    assert dataset.source_sizes == (2, 3, 1)
    found = [labels_of(dataset[i]) for i in range(6)]
    assert found[:2] == [GRID] * 2
    assert found[2:5] == [[[2, 0], [0, 255]]] * 3  # car 0 -> 2, road 1 -> 0; no sky
    assert found[5] == [[2, 255], [1, 255]]  # van -> car, dust ignored, sky 2 -> 1


def test_an_empty_mapping_goes_by_name_for_one_source_too(sources, target):
    dataset = SourceTargetDataset(sources[1], target, class_mapping={})
    assert labels_of(dataset[0]) == [[2, 0], [0, 255]]


def test_the_same_name_may_mean_something_else_in_each_source(folder, target):
    one = folder('one', [[[0, 1]] * 2], classes=('road', 'thing'))
    two = folder('two', [[[0, 1]] * 2], classes=('road', 'thing'))
    mapping = [dict(thing='car'), dict(thing='sky')]
    dataset = SourceTargetDataset([one, two], target, class_mapping=mapping)
    assert [labels_of(dataset[i]) for i in range(2)] == [[[0, 2]] * 2, [[0, 1]] * 2]


def test_a_sample_says_which_source_it_is_from(sources, target):
    dataset = SourceTargetDataset(sources, target, class_mapping=MAPPINGS)
    items = [dataset[i] for i in range(6)]
    batch = pseudo_collate(items)
    found = [sample.metainfo['source_index'] for sample in batch['source']['data_samples']]
    assert found == [0, 0, 1, 1, 1, 2]
    assert 'source_index' not in items[0]['target']['data_samples'].metainfo


def test_one_source_is_number_zero(sources, target):
    assert SourceTargetDataset(sources[0], target)[1]['source'][
        'data_samples'
    ].metainfo['source_index'] == 0  # fmt: skip


def test_weights_change_how_often_each_is_drawn(sources, target):
    weights = [1, 1, 2]
    dataset = SourceTargetDataset(sources, target, MAPPINGS, source_weights=weights)
    assert dataset.shares == (1, 1, 2)
    sampler = SourceTargetSampler(dataset, seed=1)
    drawn = [dataset[sampler.draw(i)] for i in range(40)]
    origins = [item['source']['data_samples'].metainfo['source_index'] for item in drawn]
    assert np.bincount(origins).tolist() == [10, 10, 20]


def test_without_weights_images_of_all_sources_are_drawn_alike(sources, target):
    dataset = SourceTargetDataset(sources, target, MAPPINGS)
    assert dataset.shares is None
    sampler = SourceTargetSampler(dataset, seed=1)
    assert sorted(sampler.draw(i).source for i in range(6)) == list(range(6))


def test_a_set_that_is_split_in_two_is_drawn_like_the_whole(folder, target):
    labels = [np.full((2, 2), number % 3) for number in range(5)]
    whole = folder('whole', labels)
    halves = [dict(whole, indices=[0, 1]), dict(whole, indices=[2, 3, 4])]
    one, two = SourceTargetDataset(whole, target), SourceTargetDataset(halves, target)
    draws = [SourceTargetSampler(each, seed=2) for each in (one, two)]
    for position in range(12):
        first, second = (each.draw(position) for each in draws)
        assert first == second
        paths = [dataset[first]['source']['data_samples'].img_path for dataset in (one, two)]
        assert paths[0] == paths[1]
    assert two[Draw(4, 0, 0)]['source']['data_samples'].metainfo['source_index'] == 1


@pytest.mark.parametrize(
    ('mapping', 'words'),
    [
        ([None, {}], r'a list of 3, one for each source'),
        ('van', r'a list of 3'),
        ([None, {}, dict(van='car')], r"\['dust'\] have no entry"),
        ([None, {}, dict(van='lorry', dust=None)], r"\['lorry'\] are no target classes"),
        ([dict(van='car'), {}, MAPPINGS[2]], r"\['van'\] are no classes of source 0"),
        ([None, None, MAPPINGS[2]], r'the classes of the two domains differ'),
    ],
)
def test_mappings_that_do_not_fit_are_told(sources, target, mapping, words):
    with pytest.raises(UserError, match=words):
        SourceTargetDataset(sources, target, class_mapping=mapping)


def test_weights_for_another_number_of_sources_are_told(sources, target):
    with pytest.raises(UserError, match=r'source_weights is \[1, 2\].* 3 numbers'):
        SourceTargetDataset(sources, target, MAPPINGS, source_weights=[1, 2])
