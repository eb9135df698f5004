"""FDA's multi-band transfer: networks that label, and are tested, together."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from checkpoint_helpers import differing, load
from fresh_start import forget_runs
from mmengine.config import Config
from rounds_helpers import FINAL, MBT, TWO, predicted, read, rounds_config
from staged_helpers import log_of

from mmseg_da.engine import launch

pytestmark = pytest.mark.usefixtures('plainly_written')


@pytest.fixture(scope='module')
def bands(toy_data, tmp_path_factory) -> Path:
    """The folder of two networks, two rounds and their common test."""
    work_dir = tmp_path_factory.mktemp('bands')
    launch.train(rounds_config(toy_data, work_dir, MBT, **TWO))
    return work_dir


@pytest.mark.stack
def test_several_networks_label_and_are_tested_together(bands, toy_data):
    assert 'labelled by round0_b02, round0_b09, rule' in log_of(bands / 'labels1')
    assert 'Tests the mean of round1_b02, round1_b09, softmax_lowres' in log_of(bands / 'ensemble')
    cfg = rounds_config(toy_data, bands, MBT, **TWO)
    found = [predicted(toy_data, cfg, bands / f'round0_b0{i}' / FINAL) for i in (2, 9)]
    mean = {name: (found[0][name] + found[1][name]) / 2 for name in found[0]}
    joint = np.concatenate([each.reshape(10, -1) for each in mean.values()], axis=1)
    labels, confidence = joint.argmax(axis=0), joint.max(axis=0)
    least = np.ones(10)
    for label in np.unique(labels):
        own = np.sort(confidence[labels == label])
        least[label] = min(0.9, own[min(int(np.round(0.66 * len(own))), len(own) - 1)])
    for name, each in mean.items():
        label = each.argmax(axis=0)
        expected = np.where(each.max(axis=0) >= least[label], label, 255)
        assert (read(bands / 'labels1/labels' / name) == expected).mean() > 0.99


def test_the_networks_differ_in_their_share_alone(bands):
    found = {
        (stage, beta): Config.fromfile(bands / f'{stage}_b0{beta}/fda_mbt_toy.py').model
        for stage in ('round0', 'round1')
        for beta in (2, 9)
    }
    for (stage, beta), model in found.items():
        assert model.translator.beta == beta / 100
        assert ('pseudo' in model.objectives) == (stage == 'round1')
        model.translator.beta = 0
    assert found['round1', 2] == found['round1', 9]
    states = [load(bands / f'round1_b0{i}' / FINAL)['state_dict'] for i in (2, 9)]
    assert differing(*states)


def test_the_last_test_is_that_of_the_ensemble(bands, toy_data, tmp_path):
    written = json.loads((bands / 'ensemble/metrics.json').read_text())
    cfg = rounds_config(toy_data, tmp_path, MBT, **TWO)
    model = cfg.model
    cfg.model = dict(
        type='SegmentorEnsemble', members=[model] * 2, average='softmax_lowres',
        checkpoints=[str(bands / f'round1_b0{i}' / FINAL) for i in (2, 9)],
        data_preprocessor=None,
    )  # fmt: skip
    forget_runs()
    assert written == pytest.approx(launch.test(cfg))
    assert 'mIoU' in written


def test_a_lost_test_is_done_again_and_nothing_else(bands, toy_data, tmp_path):
    shutil.copytree(bands, tmp_path / 'run')
    metrics = (bands / 'ensemble/metrics.json').read_text()
    (tmp_path / 'run/ensemble/metrics.json').unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('round*/iter_*.pth')}
    launch.train(rounds_config(toy_data, tmp_path / 'run', MBT, resume=True, **TWO))
    assert (tmp_path / 'run/ensemble/metrics.json').read_text() == metrics
    assert {path: path.stat().st_mtime_ns for path in before} == before
