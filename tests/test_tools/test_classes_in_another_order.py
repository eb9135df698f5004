"""Checkpoints of as many classes as the data, in another order: refused where they would predict."""

import pytest
import torch
from mmengine.runner import CheckpointLoader
from tool_helpers import ROOT, SHORT, TOY

ROUND = str(ROOT / 'configs/small/cbst_toy.py')
SAID = 'swapped.pth: was trained on other classes than the data, though both have 10: class 1 is'


@pytest.fixture
def checkpoint(trained):
    return trained / 'iter_2.pth'


@pytest.fixture
def renamed(checkpoint, tmp_path):
    """Saves the checkpoint with other names of its classes."""

    def save(name, change, old=False):
        full = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
        classes = change(list(full['meta']['dataset_meta']['classes']))
        noted = dict(CLASSES=classes) if old else dict(dataset_meta=dict(classes=classes))
        torch.save(dict(meta=noted, state_dict=full['state_dict']), tmp_path / name)
        return tmp_path / name

    return save


def swap(classes):
    classes[1], classes[2] = classes[2], classes[1]
    return classes


@pytest.mark.parametrize('old', [False, True])  # as mmseg 0.x noted classes
def test_labelling_refuses_it(refused, renamed, old):
    swapped = renamed('swapped.pth', swap, old)
    said = refused('make_pseudo_labels.py', TOY, swapped, 'out')
    assert SAID in said
    assert "class 1 is 'building' there and 'sidewalk' here" in said


def test_a_stage_of_labels_refuses_it(run_tool, renamed, tmp_path):
    swapped = renamed('swapped.pth', swap)
    options = [
        'rounds.number=2',
        f'stages.round0.checkpoint={swapped}',
        'rounds.labels.rule.keep=0.2',
    ]
    done = run_tool('train.py', ROUND, '--work-dir', 'run', '--cfg-options', *options, *SHORT)
    assert SAID in done.mistake
    assert not (tmp_path / 'run/labels1').exists()


@pytest.mark.parametrize('flags', [[], ['--tta'], ['--average', 'softmax']])
def test_a_test_of_the_mean_refuses_it(refused, renamed, flags):
    swapped = renamed('swapped.pth', swap)
    said = refused('test_ensemble.py', TOY, swapped, swapped, *flags, '--cfg-options', *SHORT)
    assert SAID in said


def test_a_silent_checkpoint_does_not_hide_another(refused, checkpoint, renamed, tmp_path):
    full = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    torch.save(dict(state_dict=full['state_dict']), tmp_path / 'silent.pth')
    both = tmp_path / 'silent.pth', renamed('swapped.pth', swap)
    assert SAID in refused('make_pseudo_labels.py', TOY, *both, 'out')


def test_the_same_classes_are_taken(run_tool, renamed, tmp_path):
    same = renamed('same.pth', lambda classes: [name.upper() for name in classes])
    assert run_tool('make_pseudo_labels.py', TOY, same, 'out').code == 0
    assert run_tool('test_ensemble.py', TOY, same, same, '--cfg-options', *SHORT).code == 0
