"""Several stages in one run: what each writes, and that an interruption changes nothing."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from checkpoint_helpers import differing, load
from staged_helpers import (
    STAGES,
    assert_same,
    log_of,
    results,
    staged_config,
    stop_at,
)

from mmseg_da.engine import launch
from mmseg_da.engine.stages import split
from mmseg_da.errors import UserError

ITERATIONS = 4

pytestmark = pytest.mark.usefixtures('plainly_written')


@pytest.fixture(scope='module')
def whole(toy_data, tmp_path_factory) -> Path:
    """The folder of a run of four stages that nothing disturbed."""
    work_dir = tmp_path_factory.mktemp('whole')
    launch.train(staged_config(toy_data, work_dir, ITERATIONS))
    return work_dir


@pytest.fixture
def copied(whole, tmp_path) -> Path:
    """A copy of that folder, to go on in."""
    shutil.copytree(whole, tmp_path / 'run')
    for note in (tmp_path / 'run').rglob('last_checkpoint'):
        note.write_text(str(note.parent / Path(note.read_text()).name))
    return tmp_path / 'run'


@pytest.mark.stack
def test_files_lie_where_they_are_said_to(whole):
    final = whole / f'iter_{ITERATIONS}.pth'
    assert (whole / 'last_checkpoint').read_text() == str(final)
    assert final.read_bytes() == (whole / f'align/iter_{ITERATIONS}.pth').read_bytes()
    assert {path.name for path in whole.iterdir()} == {
        *STAGES, final.name, 'last_checkpoint', 'cycada_toy.py',
    }  # fmt: skip
    for stage in STAGES:
        names = {path.name for path in (whole / stage).iterdir() if path.is_file()}
        assert {'iter_2.pth', f'iter_{ITERATIONS}.pth', 'stage_done', 'cycada_toy.py'} <= names
        assert len(list((whole / stage).glob('*/*.log'))) == 1


def test_the_log_says_which_stage_runs_and_what_is_to_come(whole):
    assert (
        'Stage 2 of 4: translate, iterations 0 to 4. Then segment (4 iterations), align '
        '(4 iterations).'
    ) in log_of(whole / 'translate')
    assert 'Stage 4 of 4: align, iterations 0 to 4. It is the last.' in log_of(whole / 'align')
    assert 'All stages are done' in log_of(whole / 'align')
    for stage in STAGES[:-1]:
        assert 'Stage 4' not in log_of(whole / stage)


def test_each_stage_takes_over_what_those_before_it_trained(whole):
    source, translate, segment, align = (
        load(whole / stage / f'iter_{ITERATIONS}.pth')['state_dict'] for stage in STAGES
    )
    first = load(whole / 'source/iter_2.pth')['state_dict']
    name = 'backbone.layer1.0.conv1.weight'
    assert not torch.equal(first[f'segmentor.{name}'], source[f'segmentor.{name}'])
    assert torch.equal(translate[f'semantics.segmentor.{name}'], source[f'segmentor.{name}'])
    used = {key for key in align if key.startswith('translator.generator.')}
    assert used
    for key in used:
        trained = key.replace('translator.generator', 'generators.source_to_target')
        assert torch.equal(align[key], translate[trained])
        assert torch.equal(segment[key], translate[trained])
    for later, earlier in ((segment, source), (align, segment)):
        gap = (later[f'segmentor.{name}'] - earlier[f'segmentor.{name}']).abs().max()
        assert 0 < gap < 0.01  # four updates away, and not newly initialised


def test_pools_and_gate_are_in_the_checkpoints(whole):
    pools = load(whole / 'translate/iter_4.pth')['state_dict']
    assert pools['pools.source.count'] == 3
    assert pools['pools.target.images'].abs().amax(dim=(1, 2, 3)).min() > 0
    assert load(whole / 'align/iter_4.pth')['state_dict']['objectives.align.judged'] == ITERATIONS


@pytest.mark.slow
def test_interrupted_in_every_stage_it_comes_to_the_same(whole, toy_data, tmp_path):
    interruptions = [(stage, 3) for stage in STAGES] + [('segment', 0)]
    for stage, iteration in sorted(interruptions, key=lambda at: (STAGES.index(at[0]), at[1])):
        stop = stop_at(stage, iteration)
        with pytest.raises(KeyboardInterrupt):
            launch.train(staged_config(toy_data, tmp_path, ITERATIONS, resume=True, **stop))
        assert not (tmp_path / stage / 'stage_done').exists()
        assert not (tmp_path / f'iter_{ITERATIONS}.pth').exists()
    launch.train(staged_config(toy_data, tmp_path, ITERATIONS, resume=True))
    assert_same(results(whole, ITERATIONS), results(tmp_path, ITERATIONS))
    final = f'iter_{ITERATIONS}.pth'
    assert differing(load(whole / final)['state_dict'], load(tmp_path / final)['state_dict']) == []
    assert f'resumed epoch: 0, iter: {ITERATIONS - 2}' in log_of(tmp_path / 'align')


@pytest.mark.stack
@pytest.mark.parametrize('stage', ['translate', 'align'])
def test_a_stage_goes_on_from_within(whole, copied, toy_data, stage):
    """As an interruption after the second iteration leaves it."""
    for later in STAGES[STAGES.index(stage) :]:
        (copied / later / 'stage_done').unlink()
        (copied / later / 'iter_4.pth').unlink()
        (copied / later / 'last_checkpoint').unlink()
        if later != stage:
            (copied / later / 'iter_2.pth').unlink()
    launch.train(staged_config(toy_data, copied, ITERATIONS, resume=True))
    assert_same(results(whole, ITERATIONS), results(copied, ITERATIONS))


def test_a_resume_of_a_finished_run_trains_nothing(copied, toy_data):
    before = {path: path.stat().st_mtime_ns for path in copied.rglob('*/iter_*.pth')}
    logs = list(copied.rglob('*.log'))
    launch.train(staged_config(toy_data, copied, ITERATIONS, resume=True))
    assert {path: path.stat().st_mtime_ns for path in copied.rglob('*/iter_*.pth')} == before
    assert list(copied.rglob('*.log')) == logs


@pytest.mark.slow
def test_a_rerun_starts_afresh_and_a_resume_takes_nothing_of_the_run_before(
    copied, whole, toy_data
):
    """Other results would be taken for the new run's: the new one has another seed."""
    seed = {'randomness.seed': 1}
    with pytest.raises(KeyboardInterrupt):
        launch.train(staged_config(toy_data, copied, ITERATIONS, **seed, **stop_at('translate', 1)))
    assert load(copied / 'segment/earlier_1/iter_4.pth')['meta']['seed'] == 0
    launch.train(staged_config(toy_data, copied, ITERATIONS, resume=True, **seed))
    ours, before = results(copied, ITERATIONS), results(whole, ITERATIONS)
    for stage in STAGES:
        assert load(copied / stage / 'iter_4.pth')['meta']['seed'] == 1
        assert differing(ours[stage]['state_dict'], before[stage]['state_dict'])


def test_one_stage_runs_alone(copied, toy_data):
    align = load(copied / 'align/iter_4.pth')['state_dict']
    before = {path: path.stat().st_mtime_ns for path in copied.rglob('*/iter_*.pth')}
    launch.train(staged_config(toy_data, copied, 2, stage='align', **{'randomness.seed': 1}))
    changed = {
        path.parent.name
        for path, time in before.items()
        if not path.exists() or path.stat().st_mtime_ns != time
    }
    assert changed == {'align'}
    assert (copied / 'last_checkpoint').read_text() == str(copied / 'iter_2.pth')
    assert differing(load(copied / 'iter_2.pth')['state_dict'], align)
    assert 'Stage 1 of 1: align, iterations 0 to 2. It is the last.' in log_of(copied / 'align')


def test_given_checkpoints_take_the_place_of_stages(whole, toy_data, tmp_path):
    given = {
        f'stages.{stage}.checkpoint': str(whole / stage / 'iter_4.pth') for stage in STAGES[:3]
    }
    launch.train(staged_config(toy_data, tmp_path, ITERATIONS, **given))
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {'align'}
    assert_same(results(whole, ITERATIONS, ['align']), results(tmp_path, ITERATIONS, ['align']))


def test_a_dropped_stage_is_not_run(whole, toy_data, tmp_path):
    given = {
        f'stages.{stage}.checkpoint': str(whole / stage / 'iter_4.pth') for stage in STAGES[:2]
    }
    launch.train(staged_config(toy_data, tmp_path, 2, **given, **{'stages.align': None}))
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {'segment'}
    final = (tmp_path / 'iter_2.pth').read_bytes()
    assert final == (tmp_path / 'segment/iter_2.pth').read_bytes()


def test_mixed_precision_reaches_every_stage(toy_data, tmp_path):
    cfg = staged_config(toy_data, tmp_path, 1)
    launch.enable_amp(cfg)
    for stage in split(cfg):
        assert stage.cfg.optim_wrapper.type == 'AmpOptimWrapper'
        assert stage.cfg.optim_wrapper.loss_scale == 'dynamic'


@pytest.mark.slow
def test_every_stage_trains_in_mixed_precision(whole, toy_data, tmp_path):
    cfg = staged_config(toy_data, tmp_path, 1)
    launch.enable_amp(cfg)
    launch.train(cfg)
    state = load(tmp_path / 'iter_1.pth')['state_dict']
    assert all(value.isfinite().all() for value in state.values())
    assert {value.dtype for value in state.values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (
            {'stages.align.default_hooks': dict(checkpoint=None)},
            'stage align would not save its last iteration.*CheckpointHook',
        ),
        (
            {'stages.align.train_cfg.val_interval': 0},
            r'train_cfg\.val_interval is 0, .* \(in stage align\)',
        ),
        ({'stages.align.train_cfg': 3}, r'stages\.align has no train_cfg\.max_iters'),
        ({'stages.align.default_hooks': 3}, r'cycada_toy\.py: '),
    ],
)
def test_what_would_stop_a_later_stage_is_told_before_the_first(toy_data, tmp_path, change, said):
    cfg = staged_config(toy_data, tmp_path, 1, **change)
    with pytest.raises(UserError, match=said):
        launch.train(cfg)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_at_the_very_end_loses_nothing(copied, toy_data, monkeypatch):
    (copied / 'iter_4.pth').unlink()

    def no_room(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('mmseg_da.engine.staged_runner.put_in_place', no_room)
    cfg = staged_config(toy_data, copied, ITERATIONS, resume=True)
    with pytest.raises(UserError, match=r'No space.*it is .*align/iter_4\.pth, too'):
        launch.train(cfg)
    assert not list(copied.glob('*.part'))
    monkeypatch.undo()
    monkeypatch.setattr(os, 'link', no_room)  # a file system without links
    launch.train(staged_config(toy_data, copied, ITERATIONS, resume=True))
    assert (copied / 'iter_4.pth').read_bytes() == (copied / 'align/iter_4.pth').read_bytes()


def damaged(whole: Path, tmp_path: Path, change) -> str:
    checkpoint = load(whole / 'source/iter_4.pth')
    state = checkpoint['state_dict']
    change(state)
    torch.save(dict(state_dict=dict(state)), tmp_path / 'other.pth')
    return str(tmp_path / 'other.pth')


def rewidened(state):
    key = 'segmentor.decode_head.conv_seg.weight'
    state[key] = state[key][:, :3]


def unnamed(state):
    for key in list(state):
        state[f'other.{key}'] = state.pop(key)


def shortened(state):
    del state['segmentor.backbone.layer1.0.conv1.weight']


@pytest.mark.parametrize(
    ('needs', 'stage', 'change', 'message'),
    [
        ('source', 'translate', rewidened, 'its segmentor is another network'),
        ('source', 'translate', shortened, 'layer1.0.conv1.weight'),
        ('source', 'translate', unnamed, 'holds no segmentor'),
        ('segment', 'align', rewidened, 'does not fit the segmentor of this config'),
        ('segment', 'align', shortened, 'layer1.0.conv1.weight'),
        ('segment', 'align', unnamed, 'missing: backbone.stem.0.weight'),
        ('translate', 'align', lambda state: None, 'holds no generator'),
    ],
)
def test_another_checkpoint_is_told(whole, toy_data, tmp_path, needs, stage, change, message):
    given = {
        f'stages.{each}.checkpoint': str(whole / each / 'iter_4.pth')
        for each in STAGES
        if each != stage
    }
    given[f'stages.{needs}.checkpoint'] = damaged(whole, tmp_path, change)
    work_dir = tmp_path / 'run'
    cfg = staged_config(toy_data, work_dir, ITERATIONS, stage=stage, **given)
    with pytest.raises(UserError, match=r'other\.pth') as told:
        launch.train(cfg)
    assert message in str(told.value)
    assert not work_dir.exists()
