"""Runs of several stages by the command line: killed, told to end, and of two processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from checkpoint_helpers import differing, load
from dist_helpers import finish, free_port, wait_for
from staged_helpers import (
    CYCADA,
    NO_VALIDATION,
    ROOT,
    STAGES,
    TINY,
    as_options,
    assert_same,
    lengths,
    results,
)

from mmseg_da.engine.preemption import CHECK_EVERY

TRAIN, TEST = ROOT / 'tools/train.py', ROOT / 'tools/test.py'
pytestmark = pytest.mark.slow


def start(command: list, data: Path, work_dir: Path, **environment: str) -> subprocess.Popen:
    work_dir.mkdir(exist_ok=True)
    own = dict(MMSEG_DA_DATA=str(data), OMP_NUM_THREADS='1', PYTHONWARNINGS='ignore')
    return subprocess.Popen(
        list(map(str, command)), cwd=work_dir, env=os.environ | own | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def train(data: Path, work_dir: Path, iterations: int, **options: object) -> subprocess.Popen:
    settings = as_options(TINY, NO_VALIDATION, lengths(iterations), options)
    flags = ['--work-dir', work_dir, '--resume', '--cfg-options', *settings]
    return start([sys.executable, TRAIN, CYCADA, *flags], data, work_dir)


def complete(process: subprocess.Popen) -> str:
    out = finish(process)
    assert process.returncode == 0, out
    return out


@pytest.mark.timeout(900)
def test_killed_in_every_stage_it_comes_to_the_same(toy_data, tmp_path):
    iterations = 6
    complete(train(toy_data, tmp_path / 'whole', iterations))
    parts = tmp_path / 'parts'
    for stage in STAGES:
        killed = train(toy_data, parts, iterations)
        wait_for(lambda folder=parts / stage: any(folder.glob('iter_*.pth')), killed)
        time.sleep(0.2 * torch.rand(1).item())
        killed.kill()
        killed.communicate()
    out = complete(train(toy_data, parts, iterations))
    assert 'All stages are done' in out
    assert_same(results(tmp_path / 'whole', iterations), results(parts, iterations))


@pytest.mark.timeout(600)
def test_told_to_end_it_saves_and_a_resume_goes_on(toy_data, tmp_path):
    long = {'stages.translate.train_cfg.max_iters': 500}
    told = train(toy_data, tmp_path, 2, **long)
    wait_for(lambda: any((tmp_path / 'translate').glob('iter_*.pth')), told)
    told.send_signal(signal.SIGTERM)
    out = complete(told)
    assert 'Told to end: saved' in out
    assert 'Continue with --resume.' in out
    assert not (tmp_path / 'segment').exists()
    assert not list(tmp_path.glob('iter_*'))
    saved = load(Path((tmp_path / 'translate/last_checkpoint').read_text()))['meta']['iter']
    ends = {'stages.translate.train_cfg.max_iters': saved + 1}
    out = complete(train(toy_data, tmp_path, 2, **ends))
    assert f'translate, iterations {saved} to {saved + 1}' in out
    assert 'Stage 1 of 4' not in out
    assert (tmp_path / 'iter_2.pth').is_file()


@pytest.mark.timeout(900)
def test_two_processes_run_all_stages_and_the_result_tests(toy_data, tmp_path):
    work_dir = tmp_path / 'run'
    settings = as_options(TINY, NO_VALIDATION, lengths(2))
    flags = ['2', '--work-dir', work_dir, '--cfg-options', *settings]
    script = ROOT / 'tools/dist_train.sh'
    two = start(
        [script, CYCADA, *flags], toy_data, work_dir, PYTHON=sys.executable, PORT=str(free_port())
    )
    out = complete(two)
    assert out.count('All stages are done') == 1
    assert CHECK_EVERY > 2  # so that nothing but the stages' ends brings the processes together
    both = load(work_dir / 'translate/iter_2.pth')['state_dict']
    assert both['pools.source.count'] == 3  # of four images, two of each process
    final = work_dir / 'iter_2.pth'
    tested = start(
        [sys.executable, TEST, CYCADA, final, '--work-dir', tmp_path / 'test', '--cfg-options',
         *as_options({key: value for key, value in TINY.items() if 'stages' not in key})],
        toy_data, tmp_path / 'test',
    )  # fmt: skip
    assert 'mIoU' in complete(tested)
    assert (
        differing(load(final)['state_dict'], load(work_dir / 'align/iter_2.pth')['state_dict'])
        == []
    )
