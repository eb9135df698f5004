"""A training with rare-class sampling: it goes on exactly, also with other workers and a lost cache."""

import copy
import shutil
from pathlib import Path

import pytest
from checkpoint_helpers import differing, load

from mmseg_da.datasets import SourceTargetDataset
from mmseg_da.engine.launch import build_runner

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures('plainly_written')]
DATA = 'train_dataloader.dataset'
CROP = dict(type='RandomCrop', crop_size=(64, 96))


@pytest.fixture
def train(short_config):
    """Train DACS on crops of the toys up to an iteration; gives the runner."""

    def run(work_dir: Path, iterations: int, change=lambda cfg: None, workers=0, **options):
        fixed = {
            'train_cfg.max_iters': iterations,
            'train_cfg.val_interval': 100,
            'default_hooks.checkpoint.max_keep_ckpts': -1,
            f'{DATA}.rare_classes': dict(min_pixels=300, temperature=0.05),
            'train_dataloader.num_workers': workers,
        }
        cfg = short_config(work_dir, 'small/dacs_toy', **(fixed | options))
        dataset = cfg.train_dataloader.dataset
        dataset.source.pipeline.insert(2, CROP)
        dataset.target.pipeline.insert(1, CROP)
        cfg.model.data_preprocessor.size = CROP['crop_size']
        change(cfg)
        runner = build_runner(cfg)
        runner.train()
        return runner

    return run


def assert_same(one: Path, other: Path) -> None:
    one, other = load(one), load(other)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(one[key], other[key]) == []


def test_four_iterations_equal_two_and_two(train, tmp_path, toy_data, monkeypatch):
    train(tmp_path / 'whole', 4)
    train(tmp_path / 'parts', 2, workers=2)
    shutil.rmtree(toy_data / 'toy/gta/.mmseg_da')  # counted anew, with the same result
    drawn, read = [], SourceTargetDataset.__getitem__
    monkeypatch.setattr(
        SourceTargetDataset,
        '__getitem__',
        lambda self, index: drawn.append(index) or read(self, index),
    )
    runner = train(tmp_path / 'parts', 4, resume=True)
    sampler = runner.train_dataloader.sampler
    assert drawn == [sampler.draw(position) for position in range(4, 8)]
    assert all(draw.rare_class is not None for draw in drawn)
    assert_same(tmp_path / 'whole/iter_4.pth', tmp_path / 'parts/iter_4.pth')


def halved(cfg):
    """The same images of the source as two sources, which are one pool."""
    dataset = cfg.train_dataloader.dataset
    halves = [dict(copy.deepcopy(dataset.source), indices=part) for part in ([0, 1], [2, 3, 4, 5])]
    dataset.source = halves


def test_one_source_split_in_two_trains_bit_for_bit_the_same(train, tmp_path):
    train(tmp_path / 'one', 2)
    train(tmp_path / 'two', 2, halved)
    assert_same(tmp_path / 'one/iter_2.pth', tmp_path / 'two/iter_2.pth')


def test_the_log_tells_how_often_each_class_is_drawn(train, tmp_path):
    train(tmp_path, 1)
    (log,) = tmp_path.glob('*/*.log')
    text = log.read_text()
    assert 'rare_classes: classes of the source' in text
    assert '  road: ' in text
