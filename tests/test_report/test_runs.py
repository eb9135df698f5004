"""What is read from work dirs, whole and broken."""

import json
from pathlib import Path

import pytest
from made_runs import write_run

from mmseg_da.errors import UserError
from mmseg_da.report import read_run


def test_a_complete_run(tmp_path):
    run = read_run(write_run(tmp_path / 'a'))
    assert (run.name, run.iterations, run.wanted, run.complete) == ('a', 100, 100, True)
    assert run.scalars['seg.decode.loss_ce'] == {step: 1 / step for step in range(10, 101, 10)}
    assert run.last('mIoU') == 40.0
    assert run.last('IoU.car') == 20.0
    assert run.last('nothing') is None
    assert 'iter' not in run.scalars
    assert run.environment == 'sys.platform: linux\n    seed: 7'
    assert run.broken == []


def test_of_a_resumed_run_the_later_file_counts(tmp_path):
    write_run(tmp_path / 'a', '20260101_120000', last=50)
    write_run(tmp_path / 'a', '20260101_130000', first=30, last=100, **{'segmentor.lr': 5.0})
    run = read_run(tmp_path / 'a')
    assert run.scalars['segmentor.lr'] == {s: 1e-3 if s < 40 else 5.0 for s in range(10, 101, 10)}
    assert run.checkpoint.name == 'iter_100.pth'


def test_a_run_that_crashed_while_writing(tmp_path):
    folder = write_run(tmp_path / 'a', last=50)
    file = next(folder.glob('*/vis_data/scalars.json'))
    file.write_text(file.read_text() + '{"mIoU": 40, "st')
    run = read_run(folder)
    assert run.skipped == 1
    assert not run.complete
    assert run.iterations == 50


def test_a_run_that_ended_before_its_first_line(tmp_path):
    inner = tmp_path / 'a/20260101_120000/vis_data'
    inner.mkdir(parents=True)
    (inner / 'config.py').write_text('train_cfg = dict(max_iters=3)')
    run = read_run(tmp_path / 'a')
    assert (run.iterations, run.checkpoint, run.complete) == (0, None, False)


def test_what_is_not_finite_is_named(tmp_path):
    folder = write_run(tmp_path / 'a', **{'adv.loss_fool': float('nan')})
    assert read_run(folder).broken == ['adv.loss_fool']


def test_stages_come_in_the_order_in_which_they_began(tmp_path):
    write_run(tmp_path / 'a/translate', '20260101_120000', wanted=100)
    write_run(tmp_path / 'a/align', '20260101_130000', last=50, wanted=100)
    run = read_run(tmp_path / 'a', 'both')
    assert [stage.name for stage in run.stages] == ['both, translate', 'both, align']
    assert [stage.complete for stage in run.stages] == [True, False]
    assert not run.complete
    assert run.config == run.stages[-1].config


@pytest.mark.parametrize('kind', ['missing', 'empty', 'another tool'])
def test_another_folder_is_told(tmp_path, kind):
    folder = tmp_path / 'a'
    if kind != 'missing':
        folder.mkdir()
    if kind == 'another tool':
        Path(folder, 'events.out.tfevents').write_text('x')
        Path(folder, 'log.json').write_text(json.dumps(dict(loss=1)))
    with pytest.raises(
        UserError, match='no such work dir' if kind == 'missing' else 'holds no log'
    ):
        read_run(folder)
