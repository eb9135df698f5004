"""A training ends when its gate has been closed for long, also after a resume and between stages."""

from types import SimpleNamespace

import pytest
import torch
from checkpoint_helpers import differing, load
from staged_helpers import log_of, staged_config
from torch import nn

from mmseg_da.engine import ClosedGateHook, launch
from mmseg_da.models import FeatureAlignment

RIVAL = dict(type='PointwiseDiscriminator', channels=(8,), dropout=0.0)
pytestmark = pytest.mark.usefixtures('plainly_written')

NEVER = 0.999  # an accuracy that the rival does not reach


@pytest.fixture
def align(short_config, tmp_path):
    """Align small segmentors behind a gate, up to an iteration; gives the last checkpoint's."""

    def run(name, iterations, patience, gate=NEVER, **options):
        cfg = short_config(tmp_path / name, **options)
        own = dict(type='FeatureAlignment', discriminator=RIVAL, gate=gate, gate_window=1)
        cfg.model.type = 'AlternatingAdaptor'
        cfg.model.objectives.update(align=own, adv_decode=None)
        cfg.train_dataloader.batch_size = 1
        cfg.train_cfg.update(max_iters=iterations, val_interval=100)
        cfg.default_hooks.checkpoint.interval = 100
        cfg.custom_hooks = [dict(type='ClosedGateHook', patience=patience)]
        launch.train(cfg)
        return int((tmp_path / name / 'last_checkpoint').read_text().rpartition('_')[2][:-4])

    return run


@pytest.mark.stack
def test_it_stops_after_the_patience_and_a_resume_counts_on(align, tmp_path):
    assert align('whole', 9, patience=3) == 3
    (log,) = [path.read_text() for path in (tmp_path / 'whole').glob('*/*.log')]
    said = [line for line in log.splitlines() if 'has been closed for' in line]
    assert len(said) == 1
    assert 'model.objectives.align has been closed for 3 iterations' in said[0]
    assert 'ends after iteration 3' in said[0]
    assert 'Continue with --resume' not in log

    assert align('parts', 2, patience=3) == 2
    assert align('parts', 9, patience=3, resume=True) == 3
    whole, parts = (load(tmp_path / name / 'iter_3.pth') for name in ('whole', 'parts'))
    for key in ('state_dict', 'optimizer'):
        assert differing(whole[key], parts[key]) == []

    before = (tmp_path / 'parts/iter_3.pth').stat().st_mtime_ns
    assert align('parts', 9, patience=3, resume=True) == 3  # it has ended, and trains no more
    assert (tmp_path / 'parts/iter_3.pth').stat().st_mtime_ns == before
    assert align('parts', 9, patience=5, resume=True) == 5

    start = {'load_from': str(tmp_path / 'whole/iter_3.pth')}
    assert align('new', 9, patience=2, **start) == 2  # another training counts from zero


def test_an_open_gate_lets_it_train_to_its_end(align):
    assert align('open', 4, patience=2, gate=0.0) == 4


def test_a_run_of_stages_goes_on_with_the_next_one(toy_data, tmp_path):
    cfg = staged_config(toy_data, tmp_path, 6, **{'model.objectives.align.gate': NEVER})
    cfg.model.translator = None
    cfg.stages.align.load_from = None
    cfg.stages.align.custom_hooks = [dict(type='ClosedGateHook', patience=3)]
    after = dict(cfg.stages.source, load_from='stage:align', train_cfg=dict(max_iters=1))
    cfg.stages = dict(align=cfg.stages.align, after=after)
    launch.train(cfg)
    assert (tmp_path / 'align/stage_done').read_text() == 'iter_3.pth'
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'iter_1.pth')
    assert 'All stages are done' in log_of(tmp_path / 'after')


def test_it_looks_only_when_a_gate_may_have_been_closed_that_long():
    """Reading a buffer waits for the device."""
    gate = FeatureAlignment(RIVAL, gate=0.5, gate_window=1)
    model = nn.Module()
    model.objectives = nn.ModuleDict(dict(align=gate))
    said = []
    runner = SimpleNamespace(
        model=model,
        iter=0,
        train_loop=SimpleNamespace(stop_training=False),
        logger=SimpleNamespace(info=said.append),
    )
    hook, looked = ClosedGateHook(patience=10), []
    hook.before_train(runner)
    for iteration in range(40):
        runner.iter = iteration
        gate._note(torch.tensor(0.9 if iteration == 5 else 0.1))
        due = iteration + 1 >= hook._look_at
        hook.after_train_iter(runner, iteration)
        looked += [iteration + 1] if due else []
        if runner.train_loop.stop_training:
            break
    assert gate.closed_for == 10
    assert looked == [1, 10, 16]  # the tenth iteration after the sixth, in which it was open
    assert len(said) == 1
