"""The launchers: their arguments, two real processes, one message."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.runner import CheckpointLoader
from PIL import Image
from tool_helpers import ROOT, SHORT, TOY, Result

USAGE = {
    'dist_train.sh': ['CONFIG', 'GPUS'],
    'dist_test.sh': ['CONFIG', 'CHECKPOINT', 'GPUS'],
    'slurm_train.sh': ['PARTITION', 'JOB_NAME', 'CONFIG'],
    'slurm_test.sh': ['PARTITION', 'JOB_NAME', 'CONFIG', 'CHECKPOINT'],
}


def launch(script: str, *args: object, **env: str) -> Result:
    """Run a launcher with the interpreter of these tests."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        port = str(sock.getsockname()[1])
    env = dict(PYTHON=sys.executable, PORT=port, OMP_NUM_THREADS='1', PYTHONWARNINGS='ignore') | env
    done = subprocess.run(
        [str(ROOT / 'tools' / script), *map(str, args)],
        env=os.environ | env, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture(autouse=True)
def in_an_empty_folder(toy_data, tmp_path, monkeypatch):
    monkeypatch.setenv('MMSEG_DA_DATA', str(toy_data))
    monkeypatch.chdir(tmp_path)


@pytest.mark.stack
def test_two_processes_train_evaluate_and_save(tmp_path):
    """Also that the learning rate is scaled by both, and that all write the best one together."""
    done = launch(
        'dist_train.sh', TOY, 2, '--work-dir', 'my dir', '--cfg-options', *SHORT,
        'env_cfg.dist_cfg.backend=nccl', 'auto_scale_lr.enable=True',
        'default_hooks.checkpoint.save_best=mIoU',
    )  # fmt: skip
    assert done.code == 0, done.err
    said = done.out + done.err
    assert said.count('No GPU: 2 processes on the CPU, backend gloo.') == 1
    assert 'current batch size is 4. Scaling the original LR by 1.0' in said
    work_dir = tmp_path / 'my dir'
    assert CheckpointLoader.load_checkpoint(work_dir / 'iter_2.pth', 'cpu')['meta']['iter'] == 2
    assert list(work_dir.glob('best_mIoU_*.pth'))
    rows = [
        json.loads(row)
        for path in work_dir.glob('*/vis_data/scalars.json')
        for row in path.read_text().splitlines()
    ]
    assert len([row for row in rows if 'mIoU' in row]) == 1
    assert [row['iter'] for row in rows if 'segmentor.loss' in row] == [1, 2]


@pytest.mark.slow
@pytest.mark.stack
def test_two_processes_measure_what_one_does(trained, tmp_path):
    measured = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        done = launch(
            'dist_test.sh', TOY, trained / 'iter_2.pth', processes, '--work-dir', folder,
            '--cfg-options', 'test_dataloader.num_workers=0',
            'test_dataloader.persistent_workers=False', 'env_cfg.dist_cfg.backend=nccl',
        )  # fmt: skip
        assert done.code == 0, done.err
        (path,) = folder.glob('*/*.json')
        measured.append(json.loads(path.read_text()))
    for row in measured:
        for key in ('time', 'data_time'):
            row.pop(key)
    assert measured[0] == pytest.approx(measured[1], nan_ok=True)
    assert measured[0]['mIoU'] > 0


@pytest.mark.slow
@pytest.mark.stack
@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ('model.type=DomainAdapter', 'DomainAdapter is not in the mmseg::model registry'),
        ('model_wrapper_cfg.type=MMDistributedDataParallel', "type='mmseg.PhasedDDP'"),
        ('model.segmentor.decode_head.num_classes=9', 'num_classes is 9'),
    ],
)
def test_a_mistake_is_told_once(option, words):
    done = launch('dist_train.sh', TOY, 2, '--cfg-options', *SHORT, option)
    assert done.code == 2, done.err
    assert done.err.count('error: ') == 1
    assert words in done.err
    assert 'Traceback' not in done.err + done.out


@pytest.mark.slow
def test_a_mistake_that_one_process_finds_ends_them_all(toy_data, tmp_path, monkeypatch):
    shutil.copytree(toy_data / 'toy', tmp_path / 'data/toy')
    (spoilt, *_) = sorted((tmp_path / 'data/toy/gta/labels').glob('*_labelTrainIds.png'))
    Image.fromarray(np.full((96, 192), 33, np.uint8)).save(spoilt)
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'data'))
    longer = ['train_cfg.max_iters=9', 'train_cfg.val_interval=9']
    done = launch('dist_train.sh', TOY, 2, '--cfg-options', *SHORT, *longer)
    assert done.code == 2, done.err
    assert done.err.count('error: ') == 1
    assert f'{spoilt.name}: label 33 is none of the 10 classes' in done.err
    assert 'Traceback' not in done.err


@pytest.mark.slow
def test_a_port_that_is_taken_is_told():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        sock.listen()
        port = sock.getsockname()[1]
        done = launch('dist_train.sh', TOY, 2, PORT=str(port))
    assert done.code == 2, done.err
    assert done.err.splitlines()[-1].startswith(f'error: port {port} of 127.0.0.1 is taken')
    assert 'Traceback' not in done.err


@pytest.mark.parametrize('script', USAGE)
def test_missing_arguments_are_answered_by_the_usage(script):
    names = USAGE[script]
    assert os.access(ROOT / 'tools' / script, os.X_OK)
    for given in range(len(names)):
        done = launch(script, *['x'] * given)
        assert done.code == 2
        assert re.search(rf'^usage: .*{script} {" ".join(names)} \[', done.err)


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
@pytest.mark.parametrize('gpus', ['two', '', '0', '-1', '2x', '1 2'])
def test_a_number_of_gpus_that_is_none_is_told(script, gpus):
    done = launch(script, *['x'] * (len(USAGE[script]) - 1), gpus)
    assert done.code == 2
    assert done.err.splitlines()[0] == f"error: GPUS must be a whole number above 0, not '{gpus}'"
    assert 'usage: ' in done.err


def stand_in(folder: Path, name: str) -> Path:
    """A program that prints its arguments, one a line."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_the_variables_of_mmseg_reach_torchrun(tmp_path, script):
    python = stand_in(tmp_path / 'a bin', 'python')
    positional = ['my config.py', 'my weights.pth'][: len(USAGE[script]) - 1]
    env = dict(NNODES='3', NODE_RANK='2', MASTER_ADDR='head', PORT='1234', PYTHON=str(python))
    done = launch(script, *positional, '8', '--cfg-options', 'a="b c"', **env)
    tool = script.replace('dist_', '').replace('.sh', '.py')
    assert done.out.splitlines() == [
        str(ROOT / 'tools/dist_run.py'),
        '--nnodes=3',
        '--node_rank=2',
        '--master_addr=head',
        '--master_port=1234',
        '--nproc_per_node=8',
        str(ROOT / 'tools' / tool),
        *positional,
        '--launcher',
        'pytorch',
        '--cfg-options',
        'a="b c"',
    ]


@pytest.mark.parametrize('script', ['slurm_train.sh', 'slurm_test.sh'])
def test_slurm_starts_a_process_per_gpu(tmp_path, script):
    srun = stand_in(tmp_path / 'bin', 'srun')
    path = f'{srun.parent}:{os.environ["PATH"]}'
    positional = ['my config.py', 'my weights.pth'][: len(USAGE[script]) - 2]
    env = dict(GPUS='16', GPUS_PER_NODE='8', CPUS_PER_TASK='6', SRUN_ARGS='--qos=high --label')
    done = launch(
        script, 'part', 'my job', *positional, '--work-dir', 'my dir', PATH=path, PYTHON='py', **env
    )
    tool = script.replace('slurm_', '').replace('.sh', '.py')
    assert done.out.splitlines() == [
        '-p', 'part', '--job-name=my job', '--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8',
        '--cpus-per-task=6', '--kill-on-bad-exit=1', '--qos=high', '--label', 'py', '-u',
        str(ROOT / 'tools' / tool), *positional, '--launcher', 'slurm', '--work-dir', 'my dir',
    ]  # fmt: skip
    bare = launch(script, 'part', 'job', *positional, PATH=path)
    assert '--ntasks=4' in bare.out.splitlines()
    assert '' not in bare.out.splitlines()
    wrong = launch(script, 'part', 'job', *positional, PATH=path, GPUS='all')
    assert wrong.code == 2
    said = wrong.err.splitlines()
    assert said[0] == "error: GPUS must be a whole number above 0, not 'all'"


@pytest.mark.skipif(os.path.exists('/usr/bin/srun'), reason='this is a slurm cluster')
def test_a_machine_without_slurm_is_told():
    done = launch('slurm_train.sh', 'part', 'job', TOY)
    assert (done.code, done.err) == (2, 'error: srun not found: this is no slurm cluster\n')
