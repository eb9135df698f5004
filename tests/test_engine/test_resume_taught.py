"""Self-training and masking interrupted in the teacher's warm-up go on bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from checkpoint_helpers import differing, load
from dist_helpers import ROOT, finish, kill, start_two, wait_for

from mmseg_da.engine.launch import build_runner

MIC = ROOT / 'configs/small/mic_toy.py'
ACCUMULATED = 'optim_wrapper.accumulative_counts'
DRAWN = ('objectives.mix.draws', 'objectives.mask.draws')
# So that pseudo labels weigh something after a few iterations, too.
SURE = {f'model.objectives.{name}.threshold': 0.2 for name in ('mix', 'mask')}


@pytest.fixture
def train(short_config, plainly_written):
    """Train MIC beside DACS up to an iteration, with a checkpoint every two."""

    def run(work_dir: Path, iterations: int, resume: bool = False, workers: int = 0, **options):
        own = {
            'train_cfg.max_iters': iterations,
            'train_cfg.val_interval': 100,
            'default_hooks.checkpoint.interval': 2,
            'default_hooks.checkpoint.max_keep_ckpts': -1,
            'train_dataloader.num_workers': workers,
            'train_dataloader.persistent_workers': workers > 0,
            'resume': resume,
        }
        runner = build_runner(short_config(work_dir, 'small/mic_toy', **own, **SURE, **options))
        runner.train()
        return runner

    return run


def assert_same(one: Path, other: Path) -> None:
    one, other = load(one), load(other)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(one[key], other[key]) == []


def steps_of(checkpoint: Path) -> list[int]:
    """The updates of the teacher, and the iterations that drew."""
    state = load(checkpoint)['state_dict']
    return [int(state[f'{name}.steps']) for name in ('teacher', *DRAWN)]


@pytest.mark.stack
@pytest.mark.parametrize(('before', 'after'), [(0, 2), (2, 0)])
def test_six_iterations_equal_four_and_two(train, tmp_path, before, after):
    train(tmp_path / 'whole', 6, workers=before)
    train(tmp_path / 'parts', 4, workers=before)
    train(tmp_path / 'parts', 6, resume=True, workers=after)
    assert_same(tmp_path / 'whole/iter_6.pth', tmp_path / 'parts/iter_6.pth')
    assert steps_of(tmp_path / 'parts/iter_6.pth') == [6, 6, 6]
    state = load(tmp_path / 'parts/iter_6.pth')['state_dict']
    network, teacher = (
        'segmentor.decode_head.conv_seg.weight',
        'teacher.net.decode_head.conv_seg.weight',
    )
    assert not torch.equal(state[network], state[teacher])


def test_a_resume_between_two_updates_moves_the_teacher_once_for_each(train, tmp_path):
    train(tmp_path / 'whole', 8, **{ACCUMULATED: 3})
    train(tmp_path / 'parts', 8, **{ACCUMULATED: 3})
    for name in ('iter_6.pth', 'iter_8.pth', 'last_checkpoint'):
        (tmp_path / 'parts' / name).unlink()
    assert 'gradients' in load(tmp_path / 'parts/iter_4.pth')  # the first of the second three
    assert steps_of(tmp_path / 'parts/iter_4.pth') == [2, 4, 4]
    train(tmp_path / 'parts', 8, resume=True, **{ACCUMULATED: 3})
    assert_same(tmp_path / 'whole/iter_8.pth', tmp_path / 'parts/iter_8.pth')
    assert steps_of(tmp_path / 'parts/iter_8.pth') == [3, 8, 8]


def test_a_resume_that_forgot_the_teacher_would_show(train, tmp_path):
    """The check above can fail: without its number of updates the teacher starts as a copy."""
    train(tmp_path / 'whole', 4)
    train(tmp_path / 'parts', 2)
    saved = load(tmp_path / 'parts/iter_2.pth')
    saved['state_dict']['teacher.steps'].zero_()
    torch.save(saved, tmp_path / 'parts/iter_2.pth')
    train(tmp_path / 'parts', 4, resume=True)
    one, other = (load(tmp_path / part / 'iter_4.pth')['state_dict'] for part in ('whole', 'parts'))
    assert any(path.startswith('/teacher.net.') for path in differing(one, other))


@pytest.mark.slow
@pytest.mark.stack
@pytest.mark.parametrize('workers', [0, 2])
def test_a_killed_training_continues_exactly(train, toy_data, tmp_path, workers):
    train(tmp_path / 'whole', 12)
    killed = subprocess.Popen(
        [
            sys.executable, '-W', 'ignore', 'tools/train.py', str(MIC),
            '--work-dir', str(tmp_path / 'parts'), '--cfg-options', 'train_cfg.max_iters=12',
            'train_dataloader.batch_size=2', f'train_dataloader.num_workers={workers}',
            f'train_dataloader.persistent_workers={workers > 0}', 'train_cfg.val_interval=1000',
            'default_hooks.checkpoint.interval=2', *(f'{key}={value}' for key, value in SURE.items()),
        ],
        cwd=ROOT, env=os.environ | dict(MMSEG_DA_DATA=str(toy_data), OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wait_for(lambda: len(list((tmp_path / 'parts').glob('iter_*.pth'))) > 0, killed)
    time.sleep(random.SystemRandom().random())
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    train(tmp_path / 'parts', 12, resume=True, workers=workers)
    assert_same(tmp_path / 'whole/iter_12.pth', tmp_path / 'parts/iter_12.pth')


@pytest.mark.slow
@pytest.mark.stack
@pytest.mark.timeout(900)
def test_two_killed_processes_continue_exactly(toy_data, tmp_path):
    def start(folder, iterations):
        options = [f'{key}={value}' for key, value in SURE.items()]
        iterations = f'train_cfg.max_iters={iterations}'
        return start_two(tmp_path / folder, toy_data, iterations, *options, config=MIC)

    def train_two(folder, iterations):
        process = start(folder, iterations)
        out = finish(process)
        assert process.returncode == 0, out

    train_two('whole', 8)
    killed = start('parts', 8)
    wait_for((tmp_path / 'parts/iter_4.pth').exists, killed)
    kill(killed)
    train_two('parts', 8)
    assert_same(tmp_path / 'whole/iter_8.pth', tmp_path / 'parts/iter_8.pth')
    assert steps_of(tmp_path / 'parts/iter_8.pth') == [8, 8, 8]
