"""A training that was interrupted equals one that was not, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from checkpoint_helpers import differing, load

from mmseg_da.engine import checkpoints
from mmseg_da.engine.launch import build_runner
from mmseg_da.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
ACCUMULATED = 'optim_wrapper.accumulative_counts'

pytestmark = pytest.mark.stack


@pytest.fixture
def train(short_config):
    """Train up to an iteration, with a checkpoint every two."""

    def run(work_dir: Path, iterations: int, resume: bool = False, workers: int = 0, **options):
        cfg = short_config(
            work_dir,
            **{
                'train_cfg.max_iters': iterations,
                'train_cfg.val_interval': 100,
                'default_hooks.checkpoint.interval': 2,
                'default_hooks.checkpoint.max_keep_ckpts': -1,
                'train_dataloader.num_workers': workers,
                'train_dataloader.persistent_workers': workers > 0,
                'resume': resume,
            }
            | options,
        )
        runner = build_runner(cfg)
        runner.train()
        return runner

    return run


def assert_same(one: Path, other: Path) -> None:
    one, other = load(one), load(other)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(one[key], other[key]) == []


@pytest.mark.parametrize(('before', 'after'), [(0, 0), (0, 2), (2, 0)])
def test_eight_iterations_equal_four_and_four(train, tmp_path, before, after):
    train(tmp_path / 'whole', 8, workers=before)
    train(tmp_path / 'parts', 4, workers=before)
    train(tmp_path / 'parts', 8, resume=True, workers=after)
    assert_same(tmp_path / 'whole/iter_8.pth', tmp_path / 'parts/iter_8.pth')
    assert load(tmp_path / 'whole/iter_8.pth')['meta']['iter'] == 8


def test_a_training_resumes_between_two_updates(train, tmp_path):
    train(tmp_path / 'whole', 8, **{ACCUMULATED: 3})
    train(tmp_path / 'parts', 8, **{ACCUMULATED: 3})
    assert 'gradients' in load(tmp_path / 'parts/iter_4.pth')  # the fourth is the first of three
    for name in ('iter_6.pth', 'iter_8.pth'):
        (tmp_path / 'parts' / name).unlink()
    (tmp_path / 'parts/last_checkpoint').unlink()
    train(tmp_path / 'parts', 8, resume=True, **{ACCUMULATED: 3})
    assert_same(tmp_path / 'whole/iter_8.pth', tmp_path / 'parts/iter_8.pth')
    assert 'gradients' not in load(tmp_path / 'whole/iter_6.pth')


def test_a_resume_reads_no_data_again(train, tmp_path, monkeypatch):
    from mmseg_da.datasets import SourceTargetDataset

    train(tmp_path, 6)
    drawn = []
    read_item = SourceTargetDataset.__getitem__

    def counting(self, index):
        drawn.append(index)
        return read_item(self, index)

    monkeypatch.setattr(SourceTargetDataset, '__getitem__', counting)
    runner = train(tmp_path, 8, resume=True)
    sampler = runner.train_dataloader.sampler
    assert drawn == [sampler.draw(position) for position in range(12, 16)]


def test_a_damaged_checkpoint_falls_back_to_the_one_before(train, tmp_path, caplog):
    train(tmp_path / 'whole', 8)
    train(tmp_path / 'parts', 6)
    newest = tmp_path / 'parts/iter_6.pth'
    newest.write_bytes(newest.read_bytes()[:5000])
    train(tmp_path / 'parts', 8, resume=True)
    assert_same(tmp_path / 'whole/iter_8.pth', tmp_path / 'parts/iter_8.pth')
    (run,) = [
        p
        for p in (tmp_path / 'parts').glob('*/*.log')
        if 'iter_6.pth' in p.read_text() and 'Trying the checkpoint before it' in p.read_text()
    ]
    assert 'is damaged' in run.read_text()


def test_nothing_readable_is_said_not_trained_over(train, tmp_path):
    train(tmp_path, 2)
    (tmp_path / 'iter_2.pth').write_bytes(b'cut')
    with pytest.raises(UserError, match=r'none of these .*iter_2\.pth'):
        train(tmp_path, 4, resume=True)


def test_a_resume_of_nothing_starts_anew(train, tmp_path):
    assert train(tmp_path, 2, resume=True).iter == 2


def test_a_full_disk_leaves_the_older_checkpoint(train, tmp_path, monkeypatch):
    def no_room(partial, final):
        raise OSError(28, 'No space left on device')

    options = {'default_hooks.checkpoint.max_keep_ckpts': 1}
    train(tmp_path, 2, **options)
    before = (tmp_path / 'iter_2.pth').read_bytes()
    monkeypatch.setattr('mmseg_da.engine.runner.put_in_place', no_room)
    with pytest.raises(UserError, match=r'iter_4\.pth: cannot write the checkpoint.*No space'):
        train(tmp_path, 4, resume=True, **options)
    assert (tmp_path / 'iter_2.pth').read_bytes() == before
    assert {path.name for path in tmp_path.glob('*.p*')} >= {'iter_2.pth'}
    assert not list(tmp_path.glob(f'*{checkpoints.PARTIAL}'))
    monkeypatch.undo()


def test_old_checkpoints_go_after_the_new_one_is_there(train, tmp_path):
    train(tmp_path, 6, **{'default_hooks.checkpoint.max_keep_ckpts': 2})
    assert {path.name for path in tmp_path.glob('iter_*')} == {'iter_4.pth', 'iter_6.pth'}
    train(tmp_path, 8, resume=True, **{'default_hooks.checkpoint.max_keep_ckpts': 2})
    assert {path.name for path in tmp_path.glob('iter_*')} == {'iter_6.pth', 'iter_8.pth'}


def start(work_dir: Path, data: Path, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [
            sys.executable, '-W', 'ignore', 'tools/train.py', 'configs/small/adaptsegnet_toy.py',
            '--work-dir', str(work_dir), '--resume', '--cfg-options',
            'train_dataloader.batch_size=2', 'train_dataloader.num_workers=2',
            'train_cfg.val_interval=1000', 'default_hooks.checkpoint.interval=2', *options,
        ],
        cwd=ROOT, env=os.environ | dict(MMSEG_DA_DATA=str(data), OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait_for(condition, process: subprocess.Popen) -> None:
    for _ in range(600):
        if condition():
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    raise AssertionError('it did not come')


@pytest.mark.slow
def test_a_killed_training_continues_exactly(train, toy_data, tmp_path):
    train(tmp_path / 'whole', 12)
    killed = start(tmp_path / 'parts', toy_data, 'train_cfg.max_iters=12')
    wait_for(lambda: len(list((tmp_path / 'parts').glob('iter_*.pth'))) > 0, killed)
    time.sleep(torch.rand(1).item())
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    train(tmp_path / 'parts', 12, resume=True)
    assert_same(tmp_path / 'whole/iter_12.pth', tmp_path / 'parts/iter_12.pth')


@pytest.mark.slow
def test_a_terminated_training_saves_and_ends_well(train, toy_data, tmp_path):
    told = start(tmp_path, toy_data, 'train_cfg.max_iters=500')
    wait_for(lambda: len(list(tmp_path.glob('iter_*.pth'))) > 0, told)
    told.send_signal(signal.SIGTERM)
    out, _ = told.communicate(timeout=60)
    assert told.returncode == 0, out
    saved = Path((tmp_path / 'last_checkpoint').read_text())
    assert f'Told to end: saved {saved}. Continue with --resume.' in out
    iteration = load(saved)['meta']['iter']
    train(tmp_path, iteration + 2, resume=True)
    train(tmp_path / 'whole', iteration + 2)
    name = f'iter_{iteration + 2}.pth'
    if iteration % 2 == 0:
        assert_same(tmp_path / name, tmp_path / 'whole' / name)
