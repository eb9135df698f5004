"""What is read from work dirs, whole and broken."""

import json
from pathlib import Path

import pytest
from made_runs import write_run, write_test

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


def test_a_new_training_in_the_same_folder_takes_the_place_of_the_old_one(tmp_path):
    write_run(tmp_path / 'a', '20260101_120000', last=400, wanted=400, old=1.0)
    write_run(tmp_path / 'a', '20260101_130000', last=50, wanted=100)
    run = read_run(tmp_path / 'a')
    assert (run.iterations, run.wanted, run.complete) == (50, 100, False)
    assert run.last('mIoU') == 35.0
    assert 'old' not in run.scalars
    assert run.checkpoint.name == 'iter_50.pth'  # and not the old one's iter_400.pth


def test_an_old_checkpoint_does_not_make_a_new_training_complete(tmp_path):
    write_run(tmp_path / 'a', '20260101_120000', last=100)
    folder = write_run(tmp_path / 'a', '20260101_130000', last=30)
    (folder / 'iter_30.pth').unlink()
    run = read_run(folder)
    assert (run.checkpoint, run.complete) == (None, False)


def test_a_test_is_no_training(tmp_path):
    folder = write_run(tmp_path / 'a')
    run = read_run(write_test(folder, mIoU=99.0))
    assert 'tested' not in run.config.read_text()
    assert (run.last('mIoU'), run.complete, run.tested) == (40.0, True, False)


def test_a_stage_that_tests_has_the_score(tmp_path):
    write_run(tmp_path / 'a/round1', last=100)
    write_test(tmp_path / 'a/ensemble', mIoU=55.0, **{'IoU.road': 60.0})
    run = read_run(tmp_path / 'a')
    trained, tested = run.stages
    assert (trained.tested, tested.tested, tested.scalars['mIoU']) == (False, True, {0: 55.0})
    assert run.complete
    assert (run.config, run.checkpoint) == (trained.config, trained.checkpoint)


def test_a_test_whose_scores_are_damaged(tmp_path):
    write_run(tmp_path / 'a/round1')
    next(iter(write_test(tmp_path / 'a/ensemble').glob('*/*.json'))).write_text('{"mIoU": ')
    tested = read_run(tmp_path / 'a').stages[1]
    assert (tested.tested, tested.scalars, tested.skipped) == (True, {}, 1)


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


def test_what_may_be_infinite_is_not(tmp_path):
    """A scaler looks for its scale; a class may have no pixel in the validation images."""
    odd = {'IoU.train': float('nan'), 'segmentor.grad_norm': float('inf')}
    run = read_run(write_run(tmp_path / 'a', **odd))
    run.scalars['seg.decode.loss_ce'][10] = float('inf')
    assert run.broken == []


def test_the_best_is_a_number(tmp_path):
    run = read_run(write_run(tmp_path / 'a'))
    run.scalars['mIoU'] = {10: float('nan'), 20: 3.0, 30: 2.0}
    assert run.best('mIoU') == (20, 3.0)
    assert run.best('nothing') is None


@pytest.mark.parametrize(
    'line', ['{"step": Infinity}', '[1]', '{"step": 1, "a": 1' + '0' * 400 + '}']
)
def test_a_line_of_impossible_numbers_is_skipped(tmp_path, line):
    folder = write_run(tmp_path / 'a')
    file = next(folder.glob('*/vis_data/scalars.json'))
    file.write_text(file.read_text() + line + '\n')
    run = read_run(folder)
    assert (run.skipped, run.iterations) == (1, 100)


def test_settings_of_another_encoding(tmp_path):
    folder = write_run(tmp_path / 'a')
    config = next(folder.glob('*/vis_data/config.py'))
    config.write_bytes("classes = ['stra\xdfe']\ntrain_cfg = dict(max_iters=100)".encode('latin-1'))
    assert read_run(folder).wanted == 100


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
