"""tools/train.py: its files, its flags, and one message for every mistake of the user."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader
from PIL import Image
from tool_helpers import SHORT, TOY


def test_files_lie_where_mmseg_puts_them(trained):
    (run,) = [path for path in trained.iterdir() if path.is_dir()]
    assert re.fullmatch(r'\d{8}_\d{6}', run.name)
    files = {path.name for path in trained.iterdir()} - {run.name}
    assert files == {'iter_2.pth', 'last_checkpoint', 'adaptsegnet_toy.py'}
    recorded = Path((trained / 'last_checkpoint').read_text())
    assert recorded.name == 'iter_2.pth'
    rows = (run / 'vis_data/scalars.json').read_text().splitlines()
    assert [json.loads(row).get('iter') for row in rows[:2]] == [1, 2]
    assert 'mIoU' in json.loads(rows[-1])


@pytest.mark.stack
def test_resume_goes_on_from_the_last_checkpoint(run_tool, tmp_path):
    work_dir = tmp_path / 'mine'
    args = ['train.py', TOY, '--work-dir', work_dir, '--cfg-options', *SHORT]
    assert run_tool(*args).code == 0
    longer = ['train_cfg.max_iters=3', 'train_cfg.val_interval=3']
    assert run_tool(*args, *longer, '--resume').code == 0
    assert (work_dir / 'last_checkpoint').read_text() == str(work_dir / 'iter_3.pth')
    last = CheckpointLoader.load_checkpoint(work_dir / 'iter_3.pth', map_location='cpu')
    assert last['meta']['iter'] == 3
    logged = [
        json.loads(row)['iter']
        for path in sorted(work_dir.glob('*/vis_data/scalars.json'))
        for row in path.read_text().splitlines()
        if 'segmentor.loss' in row
    ]
    assert logged == [1, 2, 3]
    assert not (tmp_path / 'work_dirs').exists()


def test_resume_without_a_checkpoint_starts_anew(run_tool, tmp_path):
    assert run_tool('train.py', TOY, '--resume', '--cfg-options', *SHORT).code == 0
    assert (tmp_path / 'work_dirs/adaptsegnet_toy/iter_2.pth').is_file()


def option(*options):
    return ['--cfg-options', *SHORT, *options]


MISTAKES = {
    'an unknown model': (['model.type=DomainAdapter'], ['DomainAdapter', 'registry']),
    'an unknown head': (['model.segmentor.decode_head.type=NoHead'], ['NoHead']),
    'an unknown objective': (['model.objectives.seg.type=Teaching'], ['Teaching']),
    'an unknown transform': (
        ['train_dataloader.dataset.source.pipeline.1.type=LoadLabels'],
        ['LoadLabels'],
    ),
    'an unknown optimizer': (['optim_wrapper.segmentor.optimizer.type=SDG'], ['SDG']),
    'an unknown hook': (['default_hooks.timer.type=Clock'], ['Clock']),
    'an unknown metric': (['val_evaluator.type=NoMetric'], ['NoMetric']),
    'an unknown argument': (['model.segmentor.decode_head.colour=3'], ['colour']),
    'an unknown argument of an objective': (['model.objectives.adv_decode.wieght=3'], ['wieght']),
    'an unknown argument of a dataset': (
        ['train_dataloader.dataset.source.pictures=1'],
        ['pictures'],
    ),
    'a part without optimizer': (
        ['optim_wrapper.discriminators=None'],
        ["configures ['segmentor']", 'discriminators'],
    ),
    'an optimizer without part': (['model.objectives.adv_decode=None'], ['discriminators']),
    'a missing start': (['load_from=nowhere.pth'], ['nowhere.pth', 'does not exist']),
    'an unknown scheduler': (['param_scheduler.0.type=PolyRL'], ['PolyRL']),
    'too few classes in the model': (
        ['model.segmentor.decode_head.num_classes=9'],
        ['num_classes is 9', 'has 10 classes'],
    ),
    'too many classes in the model': (
        ['model.segmentor.decode_head.num_classes=19'],
        ['num_classes is 19', 'has 10 classes'],
    ),
    'a sampler of plain indices': (
        ['train_dataloader.sampler.type=InfiniteSampler'],
        ['InfiniteSampler', "sampler=dict(type='SourceTargetSampler')"],
    ),
    'a discriminator too deep for its input': (
        ['model.objectives.adv_decode.discriminator.num_convs=8'],
        ['PixelDiscriminator', '96x192', 'num_convs'],
    ),
    'a loss in a name': (['model.objectives.my_loss.type=SourceSupervision'], ['my_loss']),
}


@pytest.mark.parametrize('mistake', MISTAKES)
def test_a_mistake_in_the_config_is_told(run_tool, mistake):
    options, words = MISTAKES[mistake]
    said = run_tool('train.py', TOY, *option(*options)).mistake
    assert all(word in said for word in words)


def test_a_missing_config_is_told(run_tool):
    assert run_tool('train.py', 'nowhere.py').mistake == 'error: nowhere.py: no such config file'


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('model = dict(type=', 'was never closed'),
        ('model = dict(type=Unknown)', 'Unknown'),
        ("_base_ = './none.py'", 'none.py'),
        ("custom_imports = dict(imports=['no_such_module'])", 'no_such_module'),
        ('model = 1 / 0', 'division by zero'),
    ],
)
def test_a_broken_config_is_told(run_tool, tmp_path, text, reason):
    (tmp_path / 'broken.py').write_text(text)
    said = run_tool('train.py', 'broken.py').mistake
    assert said.startswith('error: broken.py: not a valid config: ')
    assert reason in said


def test_an_incomplete_config_is_told(run_tool, tmp_path):
    (tmp_path / 'empty.py').write_text('x = 1')
    assert 'empty.py' in run_tool('train.py', 'empty.py').mistake


def test_a_config_of_another_kind_of_file_is_told(run_tool, tmp_path):
    (tmp_path / 'config.txt').write_text('x = 1')
    assert 'config.txt: not a valid config' in run_tool('train.py', 'config.txt').mistake


def test_missing_data_names_the_folder_and_the_command(run_tool, monkeypatch, tmp_path):
    monkeypatch.setenv('MMSEG_DA_DATA', 'elsewhere')
    said = run_tool('train.py', TOY).mistake
    assert 'elsewhere/toy/gta/images: no such folder' in said
    assert 'make toy' in said
    assert not (tmp_path / 'work_dirs').exists()


def test_a_work_dir_that_cannot_be_written_to_is_told(run_tool, tmp_path):
    (tmp_path / 'file').touch()
    said = run_tool('train.py', TOY, '--work-dir', 'file/x', *option()).mistake
    assert said == (
        f'error: --work-dir: cannot write to {tmp_path}/file/x, because {tmp_path}/file is no folder'
    )


@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
def test_a_launcher_that_did_not_launch_is_told(run_tool, monkeypatch, tool):
    monkeypatch.delenv('RANK', raising=False)
    args = [TOY] if tool == 'train.py' else [TOY, 'x.pth']
    assert 'torchrun' in run_tool(tool, *args, '--launcher', 'pytorch').mistake


def test_a_work_dir_of_another_method_is_told(run_tool, trained, tmp_path):
    shutil.copytree(trained, tmp_path / 'mine')
    (tmp_path / 'mine/last_checkpoint').write_text(str(tmp_path / 'mine/iter_2.pth'))
    other = TOY.replace('adaptsegnet', 'source_only')
    said = run_tool('train.py', other, '--work-dir', 'mine', '--resume', *option()).mistake
    for words in (
        f'{tmp_path}/mine/iter_2.pth',
        "['discriminators', 'segmentor']",
        "['segmentor']",
    ):
        assert words in said
    assert '--work-dir' in said


@pytest.mark.parametrize('form', ['max_iters', 'train_cfg.max_iters:3', 'a=[1,2', 'model=3'])
def test_a_malformed_option_is_told(run_tool, form):
    assert form.split('=')[0] in run_tool('train.py', TOY, '--cfg-options', form).mistake


def test_an_unknown_flag_is_told(run_tool):
    assert '--workdir' in run_tool('train.py', TOY, '--workdir', 'x').mistake


class Hostile:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ('touch ran_it',)


@pytest.mark.stack
def test_a_foreign_checkpoint_is_refused(run_tool, tmp_path):
    torch.save(dict(state_dict={}, extra=Hostile()), tmp_path / 'foreign.pth')
    said = run_tool('train.py', TOY, *option('load_from=foreign.pth')).mistake
    assert 'foreign.pth was refused' in said
    assert 'system' in said
    assert not (tmp_path / 'ran_it').exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_amp_without_a_gpu_refuses_float16(run_tool):
    """bfloat16 trains there: see test_engine/test_amp_training.py."""
    said = run_tool('train.py', TOY, '--amp', *option('optim_wrapper.dtype=float16')).mistake
    assert "optim_wrapper.dtype is 'float16'" in said
    assert 'GPU' in said


def test_a_label_that_is_no_class_is_told_from_a_worker(run_tool, toy_data, tmp_path, monkeypatch):
    """The data set's message comes through the loader's process without its traceback."""
    shutil.copytree(toy_data / 'toy', tmp_path / 'data/toy')
    for path in (tmp_path / 'data/toy/gta/labels').glob('*_labelTrainIds.png'):
        Image.fromarray(np.full((96, 192), 33, np.uint8)).save(path)
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'data'))
    said = run_tool('train.py', TOY, *option('train_dataloader.num_workers=1')).mistake
    assert re.match(r'error: \S+_labelTrainIds\.png: label 33 is none of the 10 classes', said)
