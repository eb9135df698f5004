"""The stream of draws: pure, fair to every image, the same for any number of ranks."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.dataset import InfiniteSampler
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.utils.data import DataLoader, Dataset

from mmseg_da.datasets import Draw, SourceTargetSampler
from mmseg_da.datasets.samplers import source_target
from mmseg_da.registry import DATA_SAMPLERS

RNG = np.random.default_rng(0)
# (source size, target size, seed); sizes of one and equal sizes are among them
CASES = [(1, 1, 0), (1, 7, 1), (5, 5, 2), (24, 3, 3)] + [
    tuple(int(n) for n in (*RNG.integers(1, 40, 2), RNG.integers(2**31))) for _ in range(20)
]


def sampler(sizes, seed=0, rank=0, world=1, monkeypatch=None, **kwargs):
    dataset = SimpleNamespace(source=range(sizes[0]), target=range(sizes[1]))
    if monkeypatch is not None:
        monkeypatch.setattr(source_target, 'get_dist_info', lambda: (rank, world))
    return SourceTargetSampler(dataset, seed=seed, **kwargs)


def take(stream, count):
    return list(itertools.islice(stream, count))


@pytest.mark.parametrize(('source', 'target', 'seed'), CASES)
def test_every_image_comes_once_before_any_returns(source, target, seed):
    drawn = take(sampler((source, target), seed), 3 * max(source, target))
    for name, size in (('source', source), ('target', target)):
        indices = [getattr(draw, name) for draw in drawn]
        for start in range(0, len(indices) - size + 1, size):
            assert sorted(indices[start : start + size]) == list(range(size))


@pytest.mark.parametrize(('source', 'target', 'seed'), CASES)
def test_a_draw_depends_on_seed_and_position_alone(source, target, seed):
    one, two = sampler((source, target), seed), sampler((source, target), seed)
    stream = take(one, 50)
    assert take(one, 50) == stream  # a second pass begins anew
    positions = np.random.default_rng(seed).permutation(50)
    assert [two.draw(int(p)) for p in positions] == [stream[p] for p in positions]


@pytest.mark.parametrize('world', [2, 3, 4])
def test_ranks_together_see_what_one_process_sees(monkeypatch, world):
    for source, target, seed in CASES:
        alone = take(sampler((source, target), seed), 12 * world)
        ranks = [
            take(sampler((source, target), seed, rank, world, monkeypatch), 12)
            for rank in range(world)
        ]
        assert [draw for turn in zip(*ranks, strict=True) for draw in turn] == alone
        monkeypatch.undo()


def test_a_domain_does_not_depend_on_the_size_of_the_other():
    for source, target, seed in CASES:
        here = take(sampler((source, target), seed), 60)
        other_target = take(sampler((source, target + 5), seed), 60)
        other_source = take(sampler((source + 5, target), seed), 60)
        assert [d.source for d in here] == [d.source for d in other_target]
        assert [d.target for d in here] == [d.target for d in other_source]
        assert [d.seed for d in here] == [d.seed for d in other_target]


def test_domains_and_epochs_and_seeds_have_orders_of_their_own():
    drawn = take(sampler((30, 30)), 90)
    sources, targets = [d.source for d in drawn], [d.target for d in drawn]
    assert sources[:30] != targets[:30]
    assert sources[:30] != sources[30:60]
    assert sources[:30] != [d.source for d in take(sampler((30, 30), seed=1), 30)]


def test_pairs_change_from_epoch_to_epoch():
    drawn = take(sampler((10, 10)), 100)
    assert len({(d.source, d.target) for d in drawn}) > 50


def test_seeds_of_augmentation_fit_numpy_and_do_not_repeat():
    seeds = [draw.seed for draw in take(sampler((4, 4)), 2000)]
    assert all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)
    assert len(set(seeds)) == len(seeds)


def test_indices_are_plain_integers():
    draw = sampler((4, 4)).draw(2)
    assert isinstance(draw, Draw)
    assert [type(value) for value in draw[:3]] == [int, int, int]
    assert draw.labelled is None


def test_without_shuffling_images_come_in_order():
    drawn = take(sampler((3, 2), shuffle=False), 6)
    assert [(d.source, d.target) for d in drawn] == [(0, 0), (1, 1), (2, 0), (0, 1), (1, 0), (2, 1)]
    assert len({d.seed for d in drawn}) == 6


def test_without_a_seed_two_streams_differ():
    first, second = sampler((50, 50), seed=None), sampler((50, 50), seed=None)
    assert take(first, 20) != take(second, 20)
    assert take(first, 20) == take(first, 20)


def test_it_never_ends_and_its_length_is_the_sources():
    short = sampler((2, 3))
    assert len(short) == 2
    assert len(take(short, 1000)) == 1000


def test_it_is_built_as_mmengine_builds_samplers():
    built = DATA_SAMPLERS.build(
        dict(type='SourceTargetSampler'),
        default_args=dict(dataset=SimpleNamespace(source=[0], target=[0]), seed=5),
    )
    assert (built.seed, built.rank, built.world_size) == (5, 0, 1)
    assert not isinstance(built, InfiniteSampler)


@pytest.mark.parametrize('world', [1, 3])
def test_skipping_is_absolute_and_counts_draws_of_one_rank(monkeypatch, world):
    for rank in range(world):
        skipping = sampler((5, 7), 0, rank, world, monkeypatch)
        stream = take(skipping, 30)
        for count in (4, 0, 10):
            skipping.skip(count)
            assert take(skipping, 20) == stream[count : count + 20]


def test_a_negative_skip_is_refused():
    with pytest.raises(ValueError, match='-1'):
        sampler((5, 7)).skip(-1)


class Drawn(Dataset):
    """Gives the draw itself, and notes it."""

    def __init__(self):
        self.read = []

    def __getitem__(self, draw):
        self.read.append(draw)
        return tuple(draw)


@pytest.mark.stack
def test_a_plain_loop_resumes_at_the_draw_of_its_iteration():
    straight = take(sampler((5, 7)), 12)
    dataset = Drawn()
    loader = DataLoader(dataset, 2, sampler=sampler((5, 7)), collate_fn=list)
    iterator = _InfiniteDataloaderIterator(loader)
    if hasattr(iterator, 'skip_iter'):  # onedl: passes over the draws without reading them
        iterator.skip_iter(4)
        assert dataset.read == []
    else:
        for _ in range(4):
            next(iterator)
    assert next(iterator) == [tuple(draw) for draw in straight[8:10]]
