"""Checkpoints that are none, or of something else: told by name, and nothing is written or run."""

import os
import shutil

import pytest
import torch
from mmengine.runner import CheckpointLoader
from tool_helpers import SHORT, TOY

SOURCE_ONLY = TOY.replace('adaptsegnet', 'source_only')
OPTIONS = ['--cfg-options', *SHORT]
NARROW = 'model.segmentor.decode_head.channels=32'


class Hostile:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ('touch ran_it',)


def whole(trained) -> dict:
    return CheckpointLoader.load_checkpoint(trained / 'iter_2.pth', map_location='cpu')


def cut(path, trained):
    content = (trained / 'iter_2.pth').read_bytes()
    path.write_bytes(content[: len(content) // 2])


FILES = {
    'missing': (lambda path, _: None, 'iter_2.pth'),
    'empty': (lambda path, _: path.touch(), 'iter_2.pth is not a checkpoint, or is damaged'),
    'cut': (cut, 'iter_2.pth is not a checkpoint, or is damaged'),
    'a web page': (
        lambda path, _: path.write_bytes(b'<!DOCTYPE html><html>Sign in</html>'),
        'iter_2.pth is not a checkpoint, or is damaged',
    ),
    'a folder': (lambda path, _: path.mkdir(), 'iter_2.pth'),
    'hostile': (
        lambda path, _: torch.save(dict(state_dict={}, meta=Hostile()), path),
        'iter_2.pth was refused',
    ),
    'a list': (lambda path, _: torch.save([1, 2], path), 'iter_2.pth'),
    'without weights': (lambda path, _: torch.save(dict(epoch=3), path), 'iter_2.pth'),
    'with a list of weights': (
        lambda path, _: torch.save(dict(state_dict=[torch.zeros(1)]), path),
        'iter_2.pth',
    ),
    'of another network': (
        lambda path, _: torch.save(dict(state_dict=torch.nn.Linear(2, 2).state_dict()), path),
        'iter_2.pth',
    ),
}
TOOLS = {
    'test': lambda path: ['test.py', TOY, path, *OPTIONS],
    'start': lambda path: ['train.py', TOY, '--work-dir', 'w', *OPTIONS, f'load_from={path}'],
    'leave': lambda path: ['adaptor2segmentor.py', TOY, path, 'left'],
}


@pytest.mark.stack
@pytest.mark.parametrize('tool', TOOLS)
@pytest.mark.parametrize('case', FILES)
def test_a_file_that_is_no_checkpoint_is_named(refused, trained, tmp_path, case, tool):
    write, words = FILES[case]
    write(tmp_path / 'iter_2.pth', trained)
    assert words in refused(*TOOLS[tool]('iter_2.pth'))
    assert not (tmp_path / 'ran_it').exists()


@pytest.fixture
def work_dir(trained, tmp_path):
    """A finished training of the toy config, in a folder of the test."""
    shutil.copytree(trained, tmp_path / 'w')
    (tmp_path / 'w/last_checkpoint').write_text(str(tmp_path / 'w/iter_2.pth'))
    return tmp_path / 'w'


def resume(config, *options):
    return ['train.py', config, '--work-dir', 'w', '--resume', *OPTIONS, *options]


@pytest.mark.stack
@pytest.mark.parametrize('case', ['empty', 'cut', 'a web page', 'hostile', 'a list'])
def test_nothing_to_resume_from_but_bad_files_is_told(refused, work_dir, trained, case):
    (work_dir / 'iter_2.pth').unlink()
    FILES[case][0](work_dir / 'iter_2.pth', trained)
    said = refused(*resume(TOY))
    assert 'none of these checkpoints can be read' in said
    assert f'{work_dir}/iter_2.pth' in said
    assert not (work_dir.parent / 'ran_it').exists()


@pytest.mark.stack
def test_resuming_another_method_is_told(refused, work_dir):
    said = refused(*resume(SOURCE_ONLY))
    assert f'{work_dir}/iter_2.pth: cannot resume' in said
    assert 'of another method' in said


@pytest.mark.stack
def test_resuming_the_same_method_with_another_network_is_told(refused, work_dir):
    said = refused(*resume(TOY, NARROW))
    assert f'{work_dir}/iter_2.pth: cannot resume, because it is of another network' in said
    assert 'segmentor.decode_head.convs.0.conv.weight 64x16x1x1 instead of 32x16x1x1' in said


RIVALS = 'optim_wrapper = dict(discriminators=dict(optimizer=dict(_delete_=True, {})))'


@pytest.mark.stack
@pytest.mark.parametrize(
    ('changed', 'why'),
    [
        (RIVALS.format("type='SGD', lr=1e-4"), 'for SGD it has no momentum, dampening'),
        (
            'optim_wrapper = dict(segmentor=dict(paramwise_cfg=dict(custom_keys=dict(head=dict('
            'lr_mult=10.0)))))',
            'a different number of parameter groups',
        ),
    ],
)
def test_resuming_with_other_optimizers_is_told(refused, work_dir, tmp_path, changed, why):
    (tmp_path / 'mine.py').write_text(f"_base_ = '{TOY}'\n{changed}\n")
    said = refused(*resume('mine.py', 'train_cfg.max_iters=3'))
    assert f'{work_dir}/iter_2.pth: cannot resume, because its optimizers or schedulers' in said
    assert why in said


@pytest.mark.stack
def test_resuming_keeps_the_settings_of_the_checkpoint(run_tool, work_dir, tmp_path):
    """As docs/training.md says of learning rates: those of the config are for a new training."""
    changed = RIVALS.format("type='Adam', lr=1.0, betas=(0.1, 0.2), weight_decay=0.3")
    (tmp_path / 'mine.py').write_text(f"_base_ = '{TOY}'\n{changed}\n")
    assert run_tool(*resume('mine.py', 'train_cfg.max_iters=3')).code == 0
    before, after = (
        CheckpointLoader.load_checkpoint(work_dir / f'iter_{n}.pth', map_location='cpu')
        for n in (2, 3)
    )
    ours, theirs = (each['optimizer']['discriminators']['param_groups'] for each in (before, after))
    assert theirs[0]['lr'] < 1e-3  # the schedule has gone on
    for one, other in zip(ours, theirs, strict=True):
        assert one | dict(lr=0) == other | dict(lr=0)


@pytest.mark.stack
def test_resuming_from_weights_alone_is_told(refused, work_dir, trained):
    torch.save(dict(state_dict=whole(trained)['state_dict']), work_dir / 'iter_2.pth')
    said = refused(*resume(TOY))
    assert f'{work_dir}/iter_2.pth: cannot resume, because it holds weights without a train' in said


@pytest.mark.stack
@pytest.mark.parametrize('tool', ['test', 'leave'])
def test_the_network_of_the_checkpoint_has_to_be_that_of_the_config(refused, trained, tool):
    args = TOOLS[tool](trained / 'iter_2.pth')
    args += [NARROW] if tool == 'test' else ['--cfg-options', NARROW]
    said = refused(*args)
    assert f'{trained}/iter_2.pth: does not fit the segmentor of' in said
    assert 'decode_head.convs.0.conv.weight 64x16x1x1 instead of 32x16x1x1' in said


@pytest.mark.parametrize('tool', ['test', 'leave'])
def test_missing_weights_are_named(refused, trained, tmp_path, tool):
    """mmengine logs them and predicts from random weights."""
    checkpoint = whole(trained)
    del checkpoint['state_dict']['segmentor.backbone.layer1.0.conv1.weight']
    torch.save(checkpoint, tmp_path / 'less.pth')
    said = refused(*TOOLS[tool]('less.pth'))
    assert 'less.pth: does not fit' in said
    assert 'missing: backbone.layer1.0.conv1.weight' in said


@pytest.mark.stack
def test_a_checkpoint_of_another_method_tests_and_leaves(run_tool, trained, tmp_path):
    """Its segmentor is the same; discriminators predict nothing."""
    checkpoint = trained / 'iter_2.pth'
    assert run_tool('test.py', SOURCE_ONLY, checkpoint, *OPTIONS).code == 0
    assert run_tool('adaptor2segmentor.py', SOURCE_ONLY, checkpoint, 'left').code == 0


def test_some_fitting_weights_are_a_start(run_tool, trained):
    """As where the classes differ: what fits is taken, as mmengine does."""
    options = [f'load_from={trained}/iter_2.pth', NARROW]
    assert run_tool('train.py', TOY, '--work-dir', 'w', *OPTIONS, *options).code == 0
