"""tools/test_ensemble.py: the scores of several checkpoints, and its mistakes."""

import json

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader
from PIL import Image
from tool_helpers import SHORT, TOY

OPTIONS = ['--cfg-options', *SHORT]
TOOL = 'test_ensemble.py'


@pytest.fixture
def checkpoint(trained):
    return trained / 'iter_2.pth'


@pytest.fixture
def other(checkpoint, tmp_path):
    """A checkpoint of a plain segmentor with other weights."""
    full = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    weights = {
        name.removeprefix('segmentor.'): value
        for name, value in full['state_dict'].items()
        if name.startswith('segmentor.')
    }
    weights['decode_head.conv_seg.weight'] = weights['decode_head.conv_seg.weight'].flip(0)
    torch.save(dict(state_dict=weights), tmp_path / 'other.pth')
    return tmp_path / 'other.pth'


def score(folder):
    (path,) = folder.glob('*/*.json')
    return json.loads(path.read_text())


def pictures(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.iterdir())}


@pytest.mark.stack
@pytest.mark.parametrize('average', ['logits', 'softmax_lowres'])
def test_a_checkpoint_twice_scores_as_alone(run_tool, checkpoint, tmp_path, average):
    assert run_tool('test.py', TOY, checkpoint, '--work-dir', 'alone', *OPTIONS).code == 0
    args = [TOY, checkpoint, checkpoint, '--average', average, '--work-dir', 'twice', *OPTIONS]
    assert run_tool(TOOL, *args).code == 0
    alone, twice = (score(tmp_path / name) for name in ('alone', 'twice'))
    for name in ('aAcc', 'mIoU', 'mAcc'):
        if average == 'logits':
            assert twice[name] == alone[name]
        else:  # a mean of softmaxes around the pixel has another maximum here and there
            assert twice[name] == pytest.approx(alone[name], abs=2)


@pytest.mark.stack
def test_weights_choose_and_networks_may_differ(run_tool, checkpoint, other, tmp_path):
    (tmp_path / 'own.py').write_text(f"_base_ = '{TOY}'\n")
    runs = dict(
        first=('test.py', TOY, checkpoint),
        second=('test.py', TOY, other),
        chosen=(TOOL, TOY, checkpoint, other, '--weights', '0', '2', '--configs', TOY, 'own.py'),
        mean=(TOOL, TOY, checkpoint, other),
    )
    for name, (tool, *args) in runs.items():
        done = run_tool(tool, *args, '--out', f'{name}_out', '--work-dir', name, *OPTIONS)
        assert done.code == 0, done.err
    first, second, chosen, mean = (pictures(tmp_path / f'{name}_out') for name in runs)
    assert list(first) == list(second) == list(chosen) == list(mean)
    assert all(np.array_equal(chosen[name], second[name]) for name in second)
    assert any(not np.array_equal(mean[name], first[name]) for name in first)
    assert any(not np.array_equal(mean[name], second[name]) for name in second)
    assert score(tmp_path / 'chosen')['mIoU'] == score(tmp_path / 'second')['mIoU']


def test_augmentation_and_pictures_go_along(run_tool, checkpoint, other, tmp_path):
    more = ['default_hooks.visualization.interval=1']
    args = [TOY, checkpoint, other, '--tta', '--show-dir', 'painted', *OPTIONS, *more]
    assert run_tool(TOOL, *args).code == 0
    assert 'mIoU' in score(tmp_path / 'work_dirs/adaptsegnet_toy')
    assert len([path for path in tmp_path.rglob('*.png') if 'painted' in path.parts]) == 2


@pytest.mark.parametrize(
    ('args', 'said'),
    [
        (['nowhere.pth'], 'nowhere.pth: no such checkpoint file'),
        (['--weights', '1'], '1 weights for 2 members (--weights)'),
        (['--weights', '1', '-1'], 'must not be negative'),
        (['--weights', 'a', 'b'], '--weights'),
        (['--average', 'median'], '--average'),
        (['--configs', TOY], '--configs names 1 configs for 2 checkpoints'),
        (['--configs', TOY, 'nowhere.py'], 'nowhere.py: no such config file'),
        (['--configs', TOY, 'empty.py'], 'empty.py: `model` is missing'),
        (['--out', 'file/x'], '--out: cannot write to'),
    ],
)
def test_a_mistake_is_told(refused, checkpoint, tmp_path, args, said):
    (tmp_path / 'file').touch()
    (tmp_path / 'empty.py').write_text('')
    assert said in refused(TOOL, TOY, checkpoint, checkpoint, *args, *OPTIONS)


def test_a_foreign_or_damaged_checkpoint_is_told(refused, checkpoint, tmp_path):
    (tmp_path / 'bad.pth').write_bytes(b'no checkpoint')
    torch.save(dict(state_dict={'layer.weight': torch.zeros(2)}), tmp_path / 'foreign.pth')
    said = refused(TOOL, TOY, checkpoint, 'bad.pth', *OPTIONS)
    assert 'bad.pth is not a checkpoint' in said
    said = refused(TOOL, TOY, checkpoint, 'foreign.pth', *OPTIONS)
    assert 'foreign.pth: holds no segmentor' in said


def test_other_classes_are_told(refused, checkpoint, other, tmp_path):
    (tmp_path / 'wide.py').write_text(
        f"_base_ = '{TOY}'\nmodel = dict(segmentor=dict(decode_head=dict(num_classes=19)))\n"
    )
    said = refused(TOOL, TOY, checkpoint, other, '--configs', TOY, 'wide.py', *OPTIONS)
    assert 'the members differ in num_classes, [10, 19]' in said
    said = refused(TOOL, 'wide.py', checkpoint, other, *OPTIONS)
    assert 'decode_head.conv_seg.weight has shape' in said
