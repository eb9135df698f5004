"""Rare-class sampling in two processes: the first counts, and together they draw as one does."""

import os
import shutil
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rank_helpers import free_port, start_rank

from mmseg_da.datasets import class_pixels
from mmseg_da.engine.launch import load_config
from mmseg_da.engine.runner import DomainAdaptationRunner
from mmseg_da.errors import UserError
from mmseg_da.registry import DATA_SAMPLERS, DATASETS

pytestmark = pytest.mark.stack
CONFIG = str(Path(__file__).resolve().parents[2] / 'configs/small/dacs_toy.py')
RARE = dict(min_pixels=200, temperature=0.05)


def draws(config, root):
    """The first draws of this process."""
    os.environ['MMSEG_DA_DATA'] = root
    loader = load_config(config, None, None).train_dataloader
    dataset = DATASETS.build(dict(loader.dataset, rare_classes=RARE))
    sampler = DATA_SAMPLERS.build(dict(loader.sampler, dataset=dataset, seed=3))
    stream = iter(sampler)
    return [tuple(next(stream)) for _ in range(12)]


def draw_on_rank(rank, port, config, roots, out):
    start_rank(rank, port)
    counted, left = [], []
    count = class_pixels._count
    class_pixels._count = lambda *args: counted.append(1) or count(*args)
    for root in roots:
        try:
            found = draws(config, root)
        except UserError as error:
            found = str(error)
        left.append((found, len(counted)))
    torch.save(left, f'{out}/{rank}.pth')
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def folder(toy_data, tmp_path_factory):
    """Two processes have drawn from copies of the toy data: a sound one, then a damaged one."""
    folder = tmp_path_factory.mktemp('ranks')
    for name in ('sound', 'damaged'):
        shutil.copytree(toy_data / 'toy', folder / name / 'toy')
        shutil.rmtree(folder / name / 'toy/gta/.mmseg_da', ignore_errors=True)
    label, *_ = sorted((folder / 'damaged/toy/gta/labels').glob('*_labelTrainIds.png'))
    label.write_bytes(b'cut')
    roots = [str(folder / 'sound'), str(folder / 'damaged')]
    mp.spawn(draw_on_rank, (free_port(), CONFIG, roots, str(folder)), nprocs=2)
    return folder


def left_by(folder, case):
    return [torch.load(folder / f'{rank}.pth', weights_only=True)[case] for rank in range(2)]


def test_two_processes_draw_what_one_draws_and_one_of_them_counts(folder, monkeypatch):
    (first, times), (second, times_of_second) = left_by(folder, 0)
    assert (times, times_of_second) == (1, 0)
    monkeypatch.setenv('MMSEG_DA_DATA', str(folder / 'sound'))
    together = [draw for turn in zip(first, second, strict=True) for draw in turn]
    assert together[:12] == draws(CONFIG, str(folder / 'sound'))
    (kept,) = (folder / 'sound/toy/gta/.mmseg_da').iterdir()
    assert kept.suffix == '.npz'


def test_a_label_that_cannot_be_read_is_told_by_both(folder):
    (first, _), (second, _) = left_by(folder, 1)
    assert first == second
    assert '1 of 6 labels cannot be counted' in first
    assert not (folder / 'damaged/toy/gta/.mmseg_da').exists()


def test_the_runner_builds_the_loader_of_it(toy_data, monkeypatch):
    monkeypatch.setenv('MMSEG_DA_DATA', str(toy_data))
    cfg = load_config(CONFIG, None, None).train_dataloader
    cfg.update(num_workers=0, persistent_workers=False)
    cfg.dataset.rare_classes = RARE
    batch = next(iter(DomainAdaptationRunner.build_dataloader(cfg, seed=0)))
    assert len(batch['source']['inputs']) == cfg.batch_size
