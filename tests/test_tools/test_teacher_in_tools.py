"""The teacher of a trained adaptor: tested in its place, and taken along without us."""

import json

import pytest
import torch
from mmengine.runner import CheckpointLoader
from tool_helpers import ROOT, SHORT

TOOL, DACS = 'adaptor2segmentor.py', str(ROOT / 'configs/small/dacs_toy.py')
TESTED = [each for each in SHORT if each.startswith('test_')]


@pytest.fixture
def taught(run_tool, plainly_written, tmp_path):
    """Two iterations of DACS, with a teacher that differs by more than they move."""
    assert run_tool('train.py', DACS, '--work-dir', 'run', '--cfg-options', *SHORT).code == 0
    saved = CheckpointLoader.load_checkpoint(str(tmp_path / 'run/iter_2.pth'), 'cpu')
    weights = saved['state_dict']
    for name, value in weights.items():
        if name.startswith('teacher.net.decode_head.conv_seg'):
            value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    torch.save(saved, tmp_path / 'taught.pth')
    return weights


def scores(run_tool, tmp_path, name, *options):
    """The scores of a test, of a work_dir of this name."""
    args = ['--work-dir', name, '--cfg-options', *SHORT, *options]
    assert run_tool('test.py', DACS, 'taught.pth', *args).code == 0
    (path,) = (tmp_path / name).glob('*/*.json')
    found = json.loads(path.read_text())
    return {key: value for key, value in found.items() if 'time' not in key}


@pytest.mark.stack
def test_either_is_tested_and_taken_along(run_tool, taught, tmp_path):
    student = scores(run_tool, tmp_path, 'student')
    teacher = scores(run_tool, tmp_path, 'teacher', 'model.teacher.predicts=True')
    assert student != teacher
    for out, args, prefix in (
        ('one', [], 'segmentor.'),
        ('other', ['--teacher'], 'teacher.net.'),
        ('third', ['--cfg-options', 'model.teacher.predicts=True'], 'teacher.net.'),
    ):
        assert run_tool(TOOL, DACS, 'taught.pth', out, *args).code == 0
        left = torch.load(tmp_path / out / f'{out}.pth', weights_only=True)['state_dict']
        expected = {k.removeprefix(prefix): v for k, v in taught.items() if k.startswith(prefix)}
        assert left.keys() == expected.keys()
        assert all(torch.equal(left[key], value) for key, value in expected.items())
        tested = ['--work-dir', f'{out}_tested', '--cfg-options', *TESTED]
        assert run_tool('test.py', f'{out}/{out}.py', f'{out}/{out}.pth', *tested).code == 0
        (path,) = (tmp_path / f'{out}_tested').glob('*/*.json')
        found = json.loads(path.read_text())
        expected = student if out == 'one' else teacher
        assert {key: found[key] for key in ('aAcc', 'mIoU')} == {
            key: expected[key] for key in ('aAcc', 'mIoU')
        }


def test_a_checkpoint_without_a_teacher_is_told(refused, trained):
    said = refused(TOOL, DACS, trained / 'iter_2.pth', 'out', '--teacher')
    assert 'iter_2.pth: holds no teacher: leave --teacher' in said
