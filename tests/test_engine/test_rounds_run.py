"""Rounds of self-training in one run: what each stage makes of the others, and interruptions."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_helpers import load
from rounds_helpers import CBST, FINAL, STAGES, outcome, predicted, read, rounds_config
from staged_helpers import assert_same, log_of, stop_at

from mmseg_da.engine import launch, pseudo_labels
from mmseg_da.errors import UserError

pytestmark = pytest.mark.usefixtures('plainly_written')


@pytest.fixture(scope='module')
def whole(toy_data, tmp_path_factory) -> Path:
    """The folder of three rounds that nothing disturbed."""
    work_dir = tmp_path_factory.mktemp('rounds')
    launch.train(rounds_config(toy_data, work_dir))
    return work_dir


@pytest.fixture
def copied(whole, tmp_path) -> Path:
    """A copy of that folder, to go on in."""
    shutil.copytree(whole, tmp_path / 'run')
    for note in (tmp_path / 'run').rglob('last_checkpoint'):
        note.write_text(str(note.parent / Path(note.read_text()).name))
    return tmp_path / 'run'


@pytest.mark.stack
def test_labels_are_the_rule_on_what_the_round_before_predicts(whole, toy_data):
    cfg = rounds_config(toy_data, whole)
    found = predicted(toy_data, cfg, whole / 'round0' / FINAL)
    joint = np.concatenate([each.reshape(10, -1) for each in found.values()], axis=1)
    labels, confidence = joint.argmax(axis=0), joint.max(axis=0)
    report = json.loads((whole / 'labels1/thresholds.json').read_text())
    least = np.ones(10)
    for label, each in enumerate(report['classes'].values()):
        own = np.sort(confidence[labels == label])
        assert each['pixels'] == len(own)
        kept = int(0.2 * len(own))
        if kept:
            least[label] = own[-kept]
            assert abs(each['least'] - least[label]) <= 1.5 / 65536
    assert len(found) == 6
    agree = []
    for name, each in found.items():
        relative = each / least[:, None, None]
        expected = np.where(relative.max(axis=0) >= 1, relative.argmax(axis=0), 255)
        agree.append((read(whole / 'labels1/labels' / name) == expected).mean())
    assert min(agree) > 0.99  # but for the bin of each threshold


def test_files_lie_where_they_are_said_to(whole):
    assert {path.name for path in whole.iterdir()} == {
        *STAGES, FINAL, 'last_checkpoint', 'cbst_toy.py',
    }  # fmt: skip
    assert (whole / FINAL).read_bytes() == (whole / 'round2' / FINAL).read_bytes()
    for stage in ('labels1', 'labels2'):
        assert (whole / stage / 'stage_done').read_text() == 'labels'
        names = {path.name for path in (whole / stage).iterdir() if path.name[0].isalpha()}
        assert names == {'labels', 'settings.json', 'thresholds.json', 'stage_done'}
        assert len(list((whole / stage / 'labels').iterdir())) == 6


def test_the_log_says_where_the_run_is(whole):
    said = log_of(whole / 'labels1')
    assert 'Stage 2 of 5: labels1. Then round1 (4 iterations), labels2, round2 (4' in said
    assert "6 images are labelled by round0, rule {'type': 'class_balanced', 'keep': 0.2}" in said
    assert 'sky: ' in said
    assert '6 pseudo labels are in ' in said
    said = log_of(whole / 'round1')
    assert 'Stage 3 of 5: round1, iterations 0 to 4. Then labels2, round2 (4' in said
    assert 'pseudo.decode.loss_ce' in said
    assert 'pseudo.decode.loss_ce' not in log_of(whole / 'round0')


def test_rounds_go_on_with_the_network_and_its_new_labels(whole):
    key = 'segmentor.backbone.layer1.0.conv1.weight'
    before, after = (
        load(whole / stage / FINAL)['state_dict'][key] for stage in ('round0', 'round1')
    )
    assert 0 < (before - after).abs().max() < 0.02  # four updates away, not newly initialised
    pairs = [
        (read(path), read(whole / 'labels2/labels' / path.name))
        for path in (whole / 'labels1/labels').iterdir()
    ]
    assert any((one != other).any() for one, other in pairs)
    shares = [json.loads((whole / f'labels{i}/settings.json').read_text()) for i in (1, 2)]
    assert [each['rule']['keep'] for each in shares] == [0.2, 0.25]


def stopping(function, at):
    """The function, which ends as Ctrl-C does at a call."""
    calls = []

    def stopped(*args, **kwargs):
        calls.append(args)
        if len(calls) == at:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    return stopped


@pytest.mark.slow
def test_interrupted_in_every_stage_and_pass_it_comes_to_the_same(
    whole, toy_data, tmp_path, monkeypatch
):
    def run(**options):
        launch.train(rounds_config(toy_data, tmp_path, resume=True, **options))

    stops = [('round0', 3), ('labels1', 'write_prediction'), ('labels1', 'class_histogram')]
    stops += [('labels1', 'write_label'), ('round1', 0), ('round1', 3)]
    stops += [('labels2', 'write_prediction'), ('labels2', 'write_label'), ('round2', 3)]
    for stage, place in stops:
        with monkeypatch.context() as patch:
            stop = stop_at(stage, place) if isinstance(place, int) else {}
            if not stop:
                patch.setattr(pseudo_labels, place, stopping(getattr(pseudo_labels, place), 3))
            with pytest.raises(KeyboardInterrupt):
                run(**stop)
        assert not (tmp_path / stage / 'stage_done').exists(), (stage, place)
    run()
    assert_same(outcome(whole), outcome(tmp_path))


def test_a_resume_labels_what_is_missing_and_trains_on(whole, copied, toy_data):
    """As a kill right after the last label leaves it."""
    shutil.rmtree(copied / 'round2')
    (copied / 'labels2/stage_done').unlink()
    launch.train(rounds_config(toy_data, copied, resume=True))
    assert_same(outcome(whole), outcome(copied))


def test_a_resume_with_another_rule_is_refused(copied, toy_data):
    (copied / 'labels2/stage_done').unlink()
    cfg = rounds_config(toy_data, copied, resume=True, **{'rounds.labels.rule.keep': 0.5})
    with pytest.raises(UserError, match=r'labels2: holds pseudo labels of other settings \(rule'):
        launch.train(cfg)


def test_a_rerun_sets_labels_aside(copied, toy_data):
    before = outcome(copied)['labels2']
    cfg = rounds_config(toy_data, copied, **stop_at('round0', 2))
    with pytest.raises(KeyboardInterrupt):
        launch.train(cfg)
    assert not (copied / 'labels2/labels').exists()
    aside = copied / 'labels2/earlier_1'
    assert (aside / 'thresholds.json').read_bytes() == before['thresholds.json']
    assert len(list((aside / 'labels').iterdir())) == 6


def test_one_labelling_runs_alone_and_first(copied, toy_data):
    """With a checkpoint instead of the round before; what it had before is set aside."""
    shutil.move(copied / 'round0' / FINAL, copied / 'given.pth')
    given = {'stages.round0.checkpoint': str(copied / 'given.pth')}
    before = outcome(copied, ('labels1',))
    launch.train(rounds_config(toy_data, copied, stage='labels1', **given))
    assert 'Stage 1 of 1: labels1. It is the last.' in log_of(copied / 'labels1')
    after = outcome(copied, ('labels1',))
    assert all(after['labels1'][name] == each for name, each in before['labels1'].items())
    assert (copied / 'labels1/earlier_1/labels').is_dir()


def test_given_labels_take_the_place_of_a_labelling(whole, copied, toy_data, tmp_path):
    given = {
        'rounds.number': 2,
        'rounds.labels.rule.keep': 0.2,
        'stages.round0.checkpoint': str(whole / 'round0' / FINAL),
        'stages.labels1.labels': str(whole / 'labels1/labels'),
    }
    launch.train(rounds_config(toy_data, tmp_path / 'own', **given))
    ours, theirs = (outcome(each, ('round1',)) for each in (tmp_path / 'own', whole))
    assert_same(ours, theirs)
    given['stages.labels1.labels'] = str(tmp_path / 'nowhere')
    with pytest.raises(UserError, match=r'stages\.labels1\.labels: .*nowhere: no such folder'):
        launch.train(rounds_config(toy_data, tmp_path / 'other', **given))
    assert not (tmp_path / 'other').exists()


WRONG = {
    'an unknown rule': ({'rounds.labels.rule.type': 'best'}, r"stages\.labels1\.rule: the rule 'best'"),
    'an unknown average': ({'rounds.labels.average': 'all'}, r"labels1\.average is 'all', but has to be"),
    'an unknown size': ({'rounds.labels.size': 3}, r'labels1\.size is 3, but has to be one of'),
    'no member': ({'stages.labels1.members': []}, r'labels1\.members is \[\], but has to be a list'),
    'a member that is no file': (
        {'stages.labels1.members': ['no.pth']},
        r'labels1\.members: no\.pth is no stage that comes before, and no checkpoint file',
    ),
    'weights for others': (
        {'rounds.evaluate': dict(weights=[1, 2])},
        r'ensemble\.weights is \[1, 2\], but has to be 1 numbers',
    ),
    'weights of nothing': ({'rounds.labels.weights': [0]}, r'labels1\.weights is \[0\]'),
    'one channel': (
        {'model.segmentor.decode_head.out_channels': 1},
        r'stages\.labels1: the networks have one channel \(a sigmoid\).* set out_channels=2',
    ),
    'no member to test': ({'rounds.evaluate': dict(members=[])}, r'ensemble\.members is \[\]'),
    'no target': (
        {'stages.labels1.train_dataloader': dict(dataset=dict(_delete_=True, type='GTADataset'))},
        r'stages\.labels1: train_dataloader\.dataset has no target to label',
    ),
    'no pipeline': (
        {'stages.labels1.test_dataloader': dict(dataset=dict(_delete_=True, type='GTADataset'))},
        r'stages\.labels1: no pipeline: set `pipeline`',
    ),
    'missing images': (
        {'stages.labels1.train_dataloader.dataset.target.data_root': 'nowhere'},
        r'nowhere/leftImg8bit/train: no such folder',
    ),
}  # fmt: skip


@pytest.mark.parametrize('wrong', WRONG)
def test_what_would_stop_a_later_stage_is_told_before_the_first(toy_data, tmp_path, wrong):
    options, words = WRONG[wrong]
    with pytest.raises(UserError, match=words):
        launch.train(rounds_config(toy_data, tmp_path / 'run', CBST, **options))
    assert not (tmp_path / 'run').exists()


def test_networks_that_do_not_fit_are_told(whole, toy_data, tmp_path):
    state = load(whole / 'round0' / FINAL)['state_dict']
    key = 'segmentor.decode_head.conv_seg.weight'
    torch.save(dict(state_dict=dict(state, **{key: state[key][:3]})), tmp_path / 'other.pth')
    given = {'stages.round0.checkpoint': str(tmp_path / 'other.pth')}
    with pytest.raises(UserError, match=r'other\.pth: .*conv_seg'):
        launch.train(rounds_config(toy_data, tmp_path / 'run', stage='labels1', **given))
    assert not (tmp_path / 'run').exists()
