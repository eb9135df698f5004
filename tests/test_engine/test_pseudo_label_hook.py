"""The classes of the pseudo labels are logged over the training, which goes on as without."""

import json

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from checkpoint_helpers import differing, load
from rank_helpers import free_port, start_rank

from mmseg_da.engine.hooks import PseudoLabelHook
from mmseg_da.engine.hooks.pseudo_label_hook import class_shares
from mmseg_da.engine.launch import build_runner
from mmseg_da.errors import UserError

NAME, PREFIX = 'default_hooks.pseudo_labels', 'pseudo.'


@pytest.fixture
def train(short_config, plainly_written, tmp_path):
    """Train; gives the runner and what its file of scalars says of pseudo labels, by iteration."""

    def run(folder: str, config: str = 'small/dacs_toy', **options):
        own = {'train_cfg.max_iters': 4, 'train_cfg.val_interval': 100} | options
        runner = build_runner(short_config(tmp_path / folder, config, **own))
        runner.train()
        (file,) = (tmp_path / folder).glob('*/vis_data/scalars.json')
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        return runner, {
            line['step']: {k.removeprefix(PREFIX): v for k, v in line.items() if PREFIX in k}
            for line in lines
            if any(key.startswith(PREFIX) for key in line)
        }

    return run


@pytest.mark.stack
def test_the_shares_are_of_what_the_teacher_said(train):
    runner, logged = train('logged', **{NAME: dict(interval=2)})
    assert sorted(logged) == [2, 4]
    classes = runner.train_dataloader.dataset.metainfo['classes']
    assert list(logged[4]) == list(classes)
    labels, _ = runner.model.teacher.teaching.verdict
    for number, name in enumerate(classes):
        expected = 100 * (labels == number).double().mean().item()
        assert logged[4][name] == pytest.approx(expected, abs=1e-4)
    assert logged[2] != logged[4]


def test_the_training_is_the_same(train, tmp_path):
    train('with', **{NAME: dict(interval=1)})
    _, logged = train('without', **{NAME: None})
    assert logged == {}
    one, other = (load(tmp_path / name / 'iter_4.pth') for name in ('with', 'without'))
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(one[key], other[key]) == []


def test_without_a_teacher_nothing_is_logged(train):
    assert train('plain', 'small/adaptsegnet_toy', **{NAME: dict(interval=1)})[1] == {}


def test_a_teacher_that_nobody_asks_is_not_asked(train):
    only = dict(type='MaskedConsistency', images='source', block=16)
    own = {'model.objectives.mix': only, NAME: dict(interval=1)}
    runner, logged = train('source', **own)
    assert not runner.model.teacher.teaching or not runner.model.teacher.teaching.asked
    assert logged == {}


def test_a_negative_interval_is_told():
    with pytest.raises(UserError, match='interval=-1 must not be negative'):
        PseudoLabelHook(-1)


def share_on(rank, port, out):
    start_rank(rank, port)
    shares = class_shares(torch.tensor([[0, 1, 1, 1], [2, 0, 0, 0]][rank]), 4)
    torch.save(shares, f'{out}{rank}')
    dist.destroy_process_group()


def test_two_processes_count_together(tmp_path):
    mp.spawn(share_on, (free_port(), str(tmp_path / 'shares')), nprocs=2)
    for rank in range(2):
        assert torch.load(f'{tmp_path}/shares{rank}') == [50.0, 37.5, 12.5, 0.0]
