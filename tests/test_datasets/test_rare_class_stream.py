"""The stream of rare-class draws: pure, the same for any ranks and workers, in exact shares."""

import itertools
import logging
from collections import Counter

import numpy as np
import pytest
import torch
from label_folders import LABEL, LOAD, PACK, config, random_labels, target_config, write_label
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from PIL import Image
from torch.utils.data import DataLoader

from mmseg_da.datasets import SourceTargetDataset, SourceTargetSampler
from mmseg_da.datasets.samplers import source_target
from mmseg_da.errors import UserError

PIPELINE = [LOAD, LABEL, dict(type='RandomCrop', crop_size=(8, 8)), PACK]
RARE = dict(temperature=0.1, min_pixels=20, min_crop_ratio=0.5)


def make(root, rare=RARE, counts=(9,), seed=0, shuffle=True, **options):
    """A dataset of some sources, and its sampler."""
    sources = []
    for number, count in enumerate(counts):
        for index, ids in enumerate(random_labels(count, seed=number)):
            ids[ids == 3] = 0  # the lamp is rare
            if index % 3 == 0:
                ids[:3, :8] = 3
            write_label(root / f'source{number}', f'{index:02d}', ids)
        sources.append(config(root / f'source{number}', pipeline=PIPELINE))
    source = sources if len(sources) > 1 else sources[0]
    dataset = SourceTargetDataset(
        source, target_config(root / 'target'), rare_classes=rare, **options
    )
    return dataset, SourceTargetSampler(dataset, seed=seed, shuffle=shuffle)


def take(stream, count):
    return list(itertools.islice(stream, count))


def pixels_of(dataset, draw):
    """Pixels that a draw's image has of its class, in the file."""
    with Image.open(dataset.source.get_data_info(draw.source)['seg_map_path']) as label:
        return int((np.asarray(label) == draw.rare_class).sum())


def test_draws_are_a_pure_function_of_seed_and_position(tmp_path):
    dataset, sampler = make(tmp_path)
    stream = take(sampler, 60)
    again = SourceTargetSampler(dataset, seed=0)
    positions = np.random.default_rng(1).permutation(60)
    assert [again.draw(int(p)) for p in positions] == [stream[p] for p in positions]
    assert take(SourceTargetSampler(dataset, seed=1), 60) != stream
    assert all(type(each) is int for each in (stream[0].source, stream[0].rare_class))


def test_every_image_that_is_drawn_has_enough_of_its_class(tmp_path):
    dataset, sampler = make(tmp_path)
    drawn = take(sampler, 300)
    assert all(pixels_of(dataset, draw) > 20 for draw in drawn)
    lamps = {draw.source for draw in drawn if draw.rare_class == 3}
    assert lamps == {0, 3, 6}
    share = Counter(draw.rare_class for draw in drawn)[3] / 300
    assert share == pytest.approx(sampler.tables[0].probabilities[3], abs=0.08)


def test_the_target_and_the_augmentation_are_drawn_as_without(tmp_path):
    _, rare = make(tmp_path)
    _, plain = make(tmp_path, rare=None)
    ours, theirs = take(rare, 50), take(plain, 50)
    assert [(d.target, d.seed) for d in ours] == [(d.target, d.seed) for d in theirs]
    assert [d.source for d in ours] != [d.source for d in theirs]
    assert {d.rare_class for d in theirs} == {None}


@pytest.mark.parametrize('world', [2, 3])
def test_ranks_together_see_what_one_process_sees(tmp_path, monkeypatch, world):
    dataset, sampler = make(tmp_path)
    ranks = []
    for rank in range(world):
        monkeypatch.setattr(source_target, 'get_dist_info', lambda rank=rank: (rank, world))
        ranks.append(take(SourceTargetSampler(dataset, seed=0), 20))
    assert [draw for turn in zip(*ranks, strict=True) for draw in turn] == take(sampler, 20 * world)


def test_a_resume_goes_on_at_the_draw_where_it_stopped(tmp_path):
    _, sampler = make(tmp_path)
    stream = take(sampler, 40)
    sampler.skip(17)
    assert take(sampler, 23) == stream[17:]


def batches(dataset, workers, count=6):
    sampler = SourceTargetSampler(dataset, seed=0)
    loader = DataLoader(dataset, 2, sampler=sampler, num_workers=workers, collate_fn=pseudo_collate)
    return [
        (batch['source']['inputs'], [s.gt_sem_seg.data for s in batch['source']['data_samples']])
        for batch in take(loader, count)
    ]


@pytest.mark.stack
def test_workers_change_nothing(tmp_path):
    dataset, _ = make(tmp_path)
    for ours, theirs in zip(batches(dataset, 0), batches(dataset, 2), strict=True):
        for one, other in zip(itertools.chain(*ours), itertools.chain(*theirs), strict=True):
            assert torch.equal(one, other)


def test_crops_have_more_than_the_least_pixels_of_their_class(tmp_path):
    dataset, sampler = make(tmp_path, RARE | dict(tries=200))
    for draw in take(sampler, 30):
        labels = dataset[draw]['source']['data_samples'].gt_sem_seg.data
        assert (labels == draw.rare_class).sum() > 10


def test_several_sources_without_weights_are_one_pool(tmp_path):
    dataset, sampler = make(tmp_path, counts=(9, 4))
    (table,) = sampler.tables
    assert {int(i) for i in table.images[3]} == {0, 3, 6, 9, 12}
    joined = make(tmp_path / 'joined', counts=(9,))[1].tables[0]
    assert not np.allclose(table.probabilities, joined.probabilities)
    drawn = take(sampler, 300)
    assert {draw.source for draw in drawn} == set(range(13))
    assert all(pixels_of(dataset, draw) > 20 for draw in drawn)


def test_weights_choose_the_source_and_each_has_classes_of_its_own(tmp_path):
    dataset, sampler = make(tmp_path, counts=(9, 4), source_weights=[1, 3])
    assert len(sampler.tables) == 2
    drawn = take(sampler, 400)
    for start in range(0, 400, 4):  # exact shares in every stretch
        assert sum(draw.source >= 9 for draw in drawn[start : start + 4]) == 3
    assert all(pixels_of(dataset, draw) > 20 for draw in drawn)
    for number, table in enumerate(sampler.tables):
        own = [d.rare_class for d in drawn if (d.source >= 9) == bool(number)]
        for label, count in Counter(own).items():
            assert count / len(own) == pytest.approx(table.probabilities[label], abs=0.12)


def test_draws_in_order_are_refused(tmp_path):
    with pytest.raises(UserError, match='shuffle=False visits the source in order'):
        make(tmp_path, shuffle=False)


def test_labels_of_the_target_are_never_counted(tmp_path):
    labels = tmp_path / 'target/labels'
    labels.mkdir(parents=True)
    (labels / '000.png').write_bytes(b'no label')
    dataset, sampler = make(tmp_path)
    assert sampler.tables
    assert not (tmp_path / 'target/.mmseg_da').exists()
    assert dataset[sampler.draw(0)]['target']['inputs'].shape == (3, 8, 8)


def test_the_log_says_how_often_each_class_comes(tmp_path, caplog):
    logger = MMLogger.get_instance('rare_class_stream')
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO)
    make(tmp_path, dict(RARE, min_pixels=30))
    logger.removeHandler(caplog.handler)
    (said,) = [r.getMessage() for r in caplog.records if 'classes of the source' in r.getMessage()]
    assert '1 have no image with more than 30 pixels' in said  # a lamp has 24
    assert 'lamp: ' in said.splitlines()[-1]
    assert said.endswith('never drawn')
