"""What holds of the stream of draws for every number of images, processes and workers."""

import itertools
import random
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from mmseg_da.datasets import Draw, SourceTargetSampler
from mmseg_da.datasets.samplers import source_target

SIZES = st.tuples(st.integers(1, 30), st.integers(1, 30))
SEEDS = st.integers(0, 2**32 - 1)
WORLDS = st.integers(1, 5)

streams = given(sizes=SIZES, seed=SEEDS, world=WORLDS, shuffle=st.booleans())
quick = settings(max_examples=60, deadline=None, derandomize=True)


def sampler(sizes, seed, rank=0, world=1, shuffle=True):
    dataset = SimpleNamespace(source=range(sizes[0]), target=range(sizes[1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_target, 'get_dist_info', lambda: (rank, world))
        return SourceTargetSampler(dataset, seed=seed, shuffle=shuffle)


def take(stream, count):
    return list(itertools.islice(stream, count))


def by_rank(sizes, seed, world, shuffle, count):
    """``count`` draws of every rank."""
    return [take(sampler(sizes, seed, rank, world, shuffle), count) for rank in range(world)]


def epochs(drawn, domain, size):
    """The whole epochs of one domain in a joint stream."""
    indices = [draw[domain] for draw in drawn]
    return [indices[i : i + size] for i in range(0, len(indices) - size + 1, size)]


@quick
@streams
def test_all_ranks_together_see_every_image_once_an_epoch(sizes, seed, world, shuffle):
    ranks = by_rank(sizes, seed, world, shuffle, 2 * max(sizes))
    joint = [draw for turn in zip(*ranks, strict=True) for draw in turn]
    for domain, size in enumerate(sizes):
        found = epochs(joint, domain, size)
        assert len(found) >= 2
        assert all(Counter(epoch) == Counter(range(size)) for epoch in found)


@quick
@streams
def test_no_rank_sees_an_image_twice_in_an_epoch_or_many_more_images(sizes, seed, world, shuffle):
    ranks = by_rank(sizes, seed, world, shuffle, 2 * max(sizes))
    for domain, size in enumerate(sizes):
        per_epoch = [[[] for _ in ranks] for _ in range(3)]
        for rank, drawn in enumerate(ranks):
            for turn, draw in enumerate(drawn):
                epoch = (rank + turn * world) // size
                if epoch < 2:
                    per_epoch[epoch][rank].append(draw[domain])
        for shares in per_epoch[:2]:
            assert all(len(set(share)) == len(share) for share in shares)
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


@quick
@streams
def test_every_augmentation_of_an_epoch_has_a_seed_of_its_own(sizes, seed, world, shuffle):
    ranks = by_rank(sizes, seed, world, shuffle, max(sizes))
    seeds = [draw.seed for drawn in ranks for draw in drawn]
    # 32 bits each: a pair among these few hundred is a once-in-10,000 event, and seeds are fixed
    assert len(set(seeds)) == len(seeds)


@quick
@given(
    sizes=SIZES,
    seed=SEEDS,
    world=WORLDS,
    start=st.integers(0, 200),
    count=st.integers(1, 40),
    how=st.sampled_from(['start', 'skip']),
)
def test_starting_later_is_the_tail_of_starting_at_the_first(sizes, seed, world, start, count, how):
    for rank in range(world):
        whole = take(sampler(sizes, seed, rank, world), start + count)
        later = sampler(sizes, seed, rank, world)
        if how == 'start':
            later.start = start
        else:
            later.skip(start)
        assert take(later, count) == whole[start:]


@quick
@given(sizes=SIZES, seed=SEEDS, joint=st.sampled_from([4, 6, 12]), steps=st.integers(0, 30))
def test_a_joint_batch_is_the_same_however_many_ranks_share_it(sizes, seed, joint, steps):
    batches = []
    for world in (1, 2, joint):
        each = joint // world
        ranks = [sampler(sizes, seed, rank, world) for rank in range(world)]
        for one in ranks:
            one.start = steps * each
        batches.append({draw for one in ranks for draw in take(one, each)})
    assert batches[0] == batches[1] == batches[2]
    assert len(batches[0]) == joint


@quick
@given(sizes=SIZES, seed=SEEDS, noise=st.integers(0, 2**32 - 1))
def test_what_else_draws_random_numbers_changes_nothing(sizes, seed, noise):
    quiet = take(sampler(sizes, seed), 30)
    random.seed(noise)
    np.random.seed(noise)
    torch.manual_seed(noise)
    noisy = sampler(sizes, seed)
    drawn = []
    for draw in itertools.islice(noisy, 30):
        random.random(), np.random.rand(), torch.rand(1)
        drawn.append(draw)
    assert drawn == quiet


@quick
@given(sizes=st.tuples(st.integers(8, 30), st.integers(8, 30)), seed=SEEDS)
def test_domains_and_epochs_have_orders_of_their_own(sizes, seed):
    size = min(sizes)
    drawn = take(sampler((size, size), seed), 2 * size)
    orders = [tuple(epoch) for domain in (0, 1) for epoch in epochs(drawn, domain, size)]
    assert len(set(orders)) == 4  # two of 8! orders are equal once in 40,000; seeds are fixed


class Drawn(Dataset):
    """Gives the draw itself."""

    def __getitem__(self, draw):
        return tuple(draw)


@pytest.mark.stack
@pytest.mark.parametrize('start', [0, 5])
def test_workers_of_a_real_loader_change_nothing(start):
    read = []
    for workers in (0, 2):
        stream = sampler((5, 7), 3)
        stream.start = 2 * start
        loader = DataLoader(Drawn(), 2, sampler=stream, num_workers=workers, collate_fn=list)
        read.append([Draw(*draw) for batch in take(iter(loader), 12) for draw in batch])
    assert read[0] == read[1]
    assert read[0] == take(sampler((5, 7), 3), 2 * start + 24)[2 * start :]
