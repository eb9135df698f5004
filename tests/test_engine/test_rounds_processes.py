"""Rounds of self-training by the command line: killed in each phase, told to end, two processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dist_helpers import finish, free_port, kill, wait_for
from rounds_helpers import CBST, ITERATIONS, MBT, TINY, TWO, outcome
from staged_helpers import NO_VALIDATION, ROOT, as_options, assert_same

from mmseg_da.engine.pseudo_labels import LABELS, PREDICTIONS
from mmseg_da.testing.toy_domains import make_toy_domains

pytestmark = pytest.mark.slow
TRAIN = ROOT / 'tools/train.py'


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """More images, so that there is time to kill a labelling."""
    root = tmp_path_factory.mktemp('more')
    make_toy_domains(root / 'toy', train=40, val=2)
    return root


def start(command, data, work_dir, **environment):
    work_dir.mkdir(exist_ok=True)
    own = dict(MMSEG_DA_DATA=str(data), OMP_NUM_THREADS='1', PYTHONWARNINGS='ignore')
    return subprocess.Popen(
        list(map(str, command)), cwd=work_dir, env=os.environ | own | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def flags(work_dir, **options):
    settings = as_options(TINY, NO_VALIDATION, options)
    return ['--work-dir', work_dir, '--resume', '--cfg-options', *settings]


def train(data, work_dir, config=CBST, **options):
    return start([sys.executable, TRAIN, config, *flags(work_dir, **options)], data, work_dir)


def complete(process):
    out = finish(process)
    assert process.returncode == 0, out
    return out


def pictures(folder):
    return len(list(folder.rglob('*.png')))


@pytest.mark.timeout(1200)
def test_killed_in_each_phase_it_comes_to_the_same(data, tmp_path):
    complete(train(data, tmp_path / 'whole'))
    parts = tmp_path / 'parts'
    phases = [
        ('round0', lambda folder: any(folder.glob('iter_2.pth'))),
        ('labels1', lambda folder: pictures(folder / PREDICTIONS) > 2),
        ('labels1', lambda folder: pictures(folder / LABELS) > 2),
        ('round1', lambda folder: any(folder.glob('iter_2.pth'))),
        ('labels2', lambda folder: pictures(folder / PREDICTIONS) > 2),
        ('labels2', lambda folder: pictures(folder / LABELS) > 2),
        ('round2', lambda folder: any(folder.glob('iter_2.pth'))),
    ]
    for stage, there in phases:
        running = train(data, parts)
        folder = parts / stage
        for _ in range(60000):  # more often than wait_for: a pass takes a second
            if there(folder) or running.poll() is not None:
                break
            time.sleep(0.002)
        assert running.poll() is None, running.stdout.read()
        running.kill()
        running.communicate()
    out = complete(train(data, parts))
    assert 'All stages are done' in out
    assert_same(outcome(tmp_path / 'whole'), outcome(parts))


@pytest.mark.timeout(600)
def test_told_to_end_while_it_labels_it_goes_on_later(data, tmp_path):
    complete(
        train(data, tmp_path / 'whole', **{'rounds.number': 2, 'rounds.labels.rule.keep': 0.2})
    )
    part = tmp_path / 'part'
    shutil.copytree(tmp_path / 'whole/round0', part / 'round0')
    options = {'rounds.number': 2, 'rounds.labels.rule.keep': 0.2}
    told = train(data, part, **options)
    wait_for(lambda: pictures(part / 'labels1' / PREDICTIONS) > 0, told)
    told.send_signal(signal.SIGTERM)
    out = complete(told)
    assert 'Told to end' in out
    assert not (part / 'round1').exists()
    assert not (part / 'labels1/stage_done').exists()
    complete(train(data, part, **options))
    stages = ('labels1', 'round1')
    assert_same(outcome(tmp_path / 'whole', stages), outcome(part, stages))


@pytest.mark.timeout(900)
def test_two_processes_run_rounds_and_label_as_one_does(data, tmp_path):
    one, two = tmp_path / 'one', tmp_path / 'two'
    script = ROOT / 'tools/dist_train.sh'
    both = start(
        [script, MBT, '2', *flags(two, **TWO)], data, two,
        PYTHON=sys.executable, PORT=str(free_port()),
    )  # fmt: skip
    try:
        out = complete(both)
    finally:
        if both.poll() is None:
            kill(both)
    assert out.count('All stages are done') == 1
    assert (two / 'ensemble/metrics.json').is_file()
    for network in ('b02', 'b09'):
        shutil.copytree(two / f'round0_{network}', one / f'round0_{network}')
        note = one / f'round0_{network}/last_checkpoint'
        note.write_text(str(note.parent / f'iter_{ITERATIONS}.pth'))
    complete(train(data, one, MBT, **TWO, stage='labels1'))
    assert_same(outcome(one, ('labels1',)), outcome(two, ('labels1',)))
