"""Trainings on several sources and on labelled target images: the draws, and an exact resume."""

import copy
from pathlib import Path

import pytest
from checkpoint_helpers import differing, load

from mmseg_da.datasets import SourceTargetDataset
from mmseg_da.engine.launch import build_runner

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures('plainly_written')]


@pytest.fixture
def train(short_config):
    """Train a small config up to an iteration; gives the runner."""

    def run(work_dir: Path, name: str, iterations: int, change=lambda cfg: None, **options):
        fixed = {
            'train_cfg.max_iters': iterations,
            'train_cfg.val_interval': 100,
            'default_hooks.checkpoint.max_keep_ckpts': -1,
        }
        cfg = short_config(work_dir, f'small/{name}_toy', **(fixed | options))
        change(cfg)
        runner = build_runner(cfg)
        runner.train()
        return runner

    return run


def assert_same(one: Path, other: Path) -> None:
    one, other = load(one), load(other)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(one[key], other[key]) == []


def halved(cfg):
    """The same images of the source as two sources; each counts as it is."""
    dataset = cfg.train_dataloader.dataset
    halves = [dict(copy.deepcopy(dataset.source), indices=part) for part in ([0, 1], [2, 3, 4, 5])]
    dataset.source = halves
    cfg.model.objectives.seg.source_weights = [1.0, 1.0]


def weighted(cfg):
    halved(cfg)
    cfg.train_dataloader.dataset.source_weights = [2, 1]


def drawn_by(monkeypatch) -> list:
    drawn, read = [], SourceTargetDataset.__getitem__

    def counting(self, index):
        drawn.append(index)
        return read(self, index)

    monkeypatch.setattr(SourceTargetDataset, '__getitem__', counting)
    return drawn


@pytest.mark.parametrize('name', ['adaptsegnet', 'fda'])
def test_one_source_split_in_two_trains_bit_for_bit_the_same(train, tmp_path, name):
    train(tmp_path / 'one', name, 4)
    train(tmp_path / 'two', name, 4, halved)
    assert_same(tmp_path / 'one/iter_4.pth', tmp_path / 'two/iter_4.pth')


def test_weights_change_what_is_drawn(train, tmp_path, monkeypatch):
    drawn = drawn_by(monkeypatch)
    train(tmp_path, 'source_only', 3, weighted)
    assert len(drawn) == 6
    assert sum(draw.source < 2 for draw in drawn) == 4  # two of three, in each stretch of three


def test_a_resume_draws_on_from_sources_and_labelled_images(train, tmp_path, monkeypatch):
    options = {'train_dataloader.dataset.labelled.num': 3}
    train(tmp_path / 'whole', 'fewlabel', 4, weighted, **options)
    train(tmp_path / 'parts', 'fewlabel', 2, weighted, **options)
    drawn = drawn_by(monkeypatch)
    runner = train(tmp_path / 'parts', 'fewlabel', 4, weighted, resume=True, **options)
    sampler = runner.train_dataloader.sampler
    assert drawn == [sampler.draw(position) for position in range(4, 8)]
    assert all(draw.labelled is not None for draw in drawn)
    assert_same(tmp_path / 'whole/iter_4.pth', tmp_path / 'parts/iter_4.pth')


def test_a_checkpoint_and_the_log_name_the_labelled_images(train, tmp_path):
    runner = train(tmp_path, 'fewlabel', 2, **{'train_dataloader.dataset.labelled.num': 2})
    names = runner.train_dataloader.dataset.metainfo['few_images']
    assert len(names) == 2
    assert load(tmp_path / 'iter_2.pth')['meta']['dataset_meta']['few_images'] == names
    (log,) = tmp_path.glob('*/*.log')
    assert f'FewImages: 2 of 6 images, seed 0: {", ".join(names)}' in log.read_text()


def test_the_control_trains_on_the_same_images(train, tmp_path):
    options = {'train_dataloader.dataset.source.num': 2}
    runner = train(tmp_path / 'control', 'targetonly', 2, **options)
    other = train(tmp_path / 'few', 'fewlabel', 2, **{'train_dataloader.dataset.labelled.num': 2})
    few = [each.train_dataloader.dataset.metainfo['few_images'] for each in (runner, other)]
    assert few[0] == few[1]


def test_merged_classes_are_trained_and_scored(train, tmp_path):
    train(tmp_path, 'merged', 2, **{'train_cfg.val_interval': 2})
    (log,) = tmp_path.glob('*/*.log')
    text = log.read_text()
    assert 'MergedClasses: ground: road, sidewalk, terrain; construction: building' in text
    assert 'Merged class' in text
    (scalars,) = tmp_path.glob('*/vis_data/scalars.json')
    assert '"IoU.mobile"' in scalars.read_text()
    assert '"IoU.car"' not in scalars.read_text()
