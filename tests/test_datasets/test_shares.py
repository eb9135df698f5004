"""Draws from several sources in exact shares, and of labelled target images."""

import itertools
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from mmseg_da.datasets import Draw, SourceTargetSampler
from mmseg_da.datasets.samplers import Shares, source_target, whole_shares
from mmseg_da.errors import UserError

CASES = [((1, 1), (4, 6)), ((3, 1), (5, 2)), ((1, 2, 4), (3, 7, 1)), ((5,), (4,))]
each_case = pytest.mark.parametrize(('shares', 'sizes'), CASES)


def sampler(shares, sizes, seed=0, rank=0, world=1, labelled=0, shuffle=True):
    dataset = SimpleNamespace(
        source=range(sum(sizes)),
        target=range(5),
        shares=shares,
        source_sizes=sizes,
        labelled=range(labelled) if labelled else None,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_target, 'get_dist_info', lambda: (rank, world))
        return SourceTargetSampler(dataset, seed=seed, shuffle=shuffle)


def take(stream, count):
    return list(itertools.islice(stream, count))


def split(indices, sizes):
    """For each draw its source and the index within that."""
    starts = np.cumsum([0, *sizes])
    origins = [int(np.searchsorted(starts, index, side='right')) - 1 for index in indices]
    return origins, [index - starts[origin] for index, origin in zip(indices, origins, strict=True)]


@pytest.mark.parametrize(
    ('weights', 'expected'),
    [
        ([1, 1], (1, 1)),
        ([2, 2.0], (1, 1)),
        ([0.7, 0.3], (7, 3)),
        ([0.5, 0.25, 0.25], (2, 1, 1)),
        ([1 / 3, 2 / 3], (1, 2)),
        ([30, 12], (5, 2)),
        ([0.1], (1,)),
    ],
)
def test_shares_are_the_smallest_whole_numbers(weights, expected):
    assert whole_shares(weights, len(expected)) == expected


@pytest.mark.parametrize(
    ('weights', 'words'),
    [
        ([1], 'a list of 2 numbers, one for each source'),
        ([1, 1, 1], 'a list of 2 numbers'),
        (3, 'a list of 2 numbers'),
        ('12', 'a list of 2 numbers'),
        ([1, 0], 'a number above 0; leave a source out'),
        ([1, -2], 'a number above 0'),
        ([1, 'two'], 'a number above 0'),
        ([1, True], 'a number above 0'),
        ([1, float('inf')], 'a number above 0'),
        ([1, 1e-9], 'give small whole numbers'),
        ([1, 123456], 'give small whole numbers'),
    ],
)
def test_weights_that_do_not_fit_are_told(weights, words):
    with pytest.raises(UserError, match=words) as error:
        whole_shares(weights, 2)
    assert 'source_weights' in str(error.value)


@each_case
def test_every_stretch_has_the_exact_shares(shares, sizes):
    drawn = take(sampler(shares, sizes), 20 * sum(shares))
    origins, _ = split([draw.source for draw in drawn], sizes)
    expected = dict(enumerate(shares))
    for start in range(0, len(origins), sum(shares)):
        assert Counter(origins[start : start + sum(shares)]) == expected


@each_case
def test_each_source_shows_every_image_once_before_any_returns(shares, sizes):
    drawn = take(sampler(shares, sizes), 12 * max(sizes) * sum(shares))
    origins, indices = split([draw.source for draw in drawn], sizes)
    for origin, size in enumerate(sizes):
        own = [i for o, i in zip(origins, indices, strict=True) if o == origin]
        assert len(own) >= 2 * size
        for start in range(0, len(own) - size + 1, size):
            assert sorted(own[start : start + size]) == list(range(size))


@each_case
def test_a_draw_depends_on_seed_and_position_alone(shares, sizes):
    stream = take(sampler(shares, sizes, seed=3), 60)
    other = sampler(shares, sizes, seed=3)
    positions = np.random.default_rng(0).permutation(60)
    assert [other.draw(int(p)) for p in positions] == [stream[p] for p in positions]
    if len(shares) > 1:
        assert take(sampler(shares, sizes, seed=4), 60) != stream


@each_case
@pytest.mark.parametrize('world', [2, 3])
def test_ranks_together_see_what_one_process_sees(shares, sizes, world):
    alone = take(sampler(shares, sizes, labelled=3), 12 * world)
    ranks = [take(sampler(shares, sizes, 0, r, world, labelled=3), 12) for r in range(world)]
    assert [draw for turn in zip(*ranks, strict=True) for draw in turn] == alone


@each_case
def test_starting_later_is_the_tail(shares, sizes):
    whole = take(sampler(shares, sizes, labelled=3), 40)
    later = sampler(shares, sizes, labelled=3)
    later.skip(17)
    assert take(later, 23) == whole[17:]


def test_the_order_within_a_stretch_is_random_and_of_its_own():
    shares = Shares((4, 4), (8, 8), seed=0)
    stretches = [tuple(shares.draw(8 * n + i)[0] for i in range(8)) for n in range(20)]
    assert len(set(stretches)) > 10


def test_without_shuffling_sources_come_in_order():
    drawn = take(sampler((2, 1), (4, 2), shuffle=False), 6)
    assert [draw.source for draw in drawn] == [0, 1, 4, 2, 3, 5]


def test_the_sources_order_has_nothing_of_the_others():
    drawn = take(sampler((1, 1, 1), (30, 30, 30)), 90)
    origins, indices = split([draw.source for draw in drawn], (30, 30, 30))
    own = [tuple(i for o, i in zip(origins, indices, strict=True) if o == n) for n in range(3)]
    assert len({*own, tuple(draw.target for draw in drawn[:30])}) == 4


def test_labelled_images_change_no_other_draw():
    plain, more = sampler(None, (7,)), sampler(None, (7,), labelled=4)
    for ours, theirs in zip(take(plain, 30), take(more, 30), strict=True):
        assert ours == Draw(*theirs[:3], labelled=None)
        assert type(theirs.labelled) is int


@pytest.mark.parametrize('labelled', [1, 4, 9])
def test_every_labelled_image_comes_once_before_any_returns(labelled):
    drawn = [draw.labelled for draw in take(sampler(None, (7,), labelled=labelled), 3 * labelled)]
    for start in range(0, len(drawn), labelled):
        assert sorted(drawn[start : start + labelled]) == list(range(labelled))


def test_labelled_and_target_images_have_orders_of_their_own():
    dataset = SimpleNamespace(source=range(20), target=range(20), labelled=range(20))
    drawn = take(SourceTargetSampler(dataset, seed=0), 20)
    assert len({tuple(draw[place] for draw in drawn) for place in (0, 1, 3)}) == 3
