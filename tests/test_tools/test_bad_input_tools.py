"""Flags and folders that a tool cannot use: one message, nothing written."""

import os
import subprocess
import sys

import pytest
import torch
from tool_helpers import ROOT, SHORT, TOY, contents

PLAIN = "model = dict(type='EncoderDecoder', backbone=dict(type='ResNet', depth=18))"
LEAVE = 'adaptor2segmentor.py'


@pytest.mark.parametrize(
    ('out', 'words'),
    [
        ('file/x', 'OUT: cannot write to'),
        ('file', 'is no folder'),
        ('taken', 'taken is there and not empty'),
        ('new.pth', 'OUT is a folder'),
        ('.', 'OUT needs a name'),
    ],
)
def test_leaving_to_where_it_cannot_write_is_told(refused, trained, tmp_path, out, words):
    (tmp_path / 'file').touch()
    (tmp_path / 'taken').mkdir()
    (tmp_path / 'taken/notes.txt').touch()
    assert words in refused(LEAVE, TOY, trained / 'iter_2.pth', out)


def test_leaving_a_config_without_adaptor_is_told(refused, trained, tmp_path):
    (tmp_path / 'plain.py').write_text(PLAIN)
    said = refused(LEAVE, 'plain.py', trained / 'iter_2.pth', 'left')
    assert 'plain.py: its model is no adaptor (EncoderDecoder)' in said


def test_leaving_with_a_config_that_does_not_build_is_told(refused, trained):
    option = 'model.segmentor.backbone.depth=19'
    args = [TOY, trained / 'iter_2.pth', 'left', '--cfg-options', option]
    assert 'invalid depth 19' in refused(LEAVE, *args)


def test_leaving_with_a_preprocessor_of_another_kind_is_told(refused, trained):
    option = 'model.data_preprocessor.type=ImgDataPreprocessor'
    args = [TOY, trained / 'iter_2.pth', 'left', '--cfg-options', option]
    assert 'ImgDataPreprocessor' in refused(LEAVE, *args)


def test_a_full_disk_leaves_nothing_of_a_segmentor(refused, trained, monkeypatch):
    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', full)
    said = refused(LEAVE, TOY, trained / 'iter_2.pth', 'left')
    assert 'left: cannot be written' in said
    assert 'No space left' in said


@pytest.mark.parametrize('tool', [LEAVE, 'train.py', 'test.py', 'print_config.py'])
def test_missing_arguments_are_told(refused, tool):
    assert 'the following arguments are required: config' in refused(tool)


@pytest.mark.parametrize(
    ('args', 'word'),
    [
        (['out', '--train', 'many'], '--train'),
        (['out', '--train', '-1'], '--train'),
        (['out', '--val', '0'], '--val'),
        (['out', '--seed', '-1'], '--seed'),
        (['file'], 'file'),
        (['taken'], 'taken'),
        (['out', '--colour'], '--colour'),
    ],
)
def test_toys_that_cannot_be_drawn_are_told(refused, tmp_path, args, word):
    (tmp_path / 'file').touch()
    (tmp_path / 'taken').mkdir()
    (tmp_path / 'taken/thesis.txt').write_text('keep')
    assert word in refused('make_toy_domains.py', *args)


CONVERTERS = ['gta', 'cityscapes', 'synthia', 'crosscity']


@pytest.mark.parametrize('name', CONVERTERS)
@pytest.mark.parametrize(
    ('args', 'word'),
    [
        (['nowhere'], 'nowhere'),
        (['file'], 'file'),
        (['empty'], 'empty'),
        (['empty', '--nproc', 'x'], '--nproc'),
        ([], 'required'),
    ],
)
def test_data_that_cannot_be_converted_is_told(refused, tmp_path, name, args, word):
    (tmp_path / 'file').touch()
    (tmp_path / 'empty').mkdir()
    assert word in refused(f'dataset_converters/{name}.py', *args)


@pytest.mark.parametrize('flag', [['--wait-time', 'x'], ['--launcher', 'ssh'], ['--tta', '3']])
def test_a_wrong_value_of_a_flag_is_told(refused, flag):
    assert flag[0 if flag[0] != '--tta' else 1] in refused('test.py', TOY, 'x.pth', *flag)


@pytest.fixture
def in_process(toy_data, tmp_path):
    """Run a tool as a user does; gives its code and stderr. Nothing may be written."""

    def run(tool, *args):
        before = contents(tmp_path)
        done = subprocess.run(
            [sys.executable, ROOT / 'tools' / tool, *map(str, args)],
            cwd=tmp_path,
            env=os.environ | dict(MMSEG_DA_DATA=str(toy_data), OMP_NUM_THREADS='1'),
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert contents(tmp_path) == before
        return done.returncode, [line for line in done.stderr.splitlines() if 'rror' in line]

    return run


@pytest.mark.stack
@pytest.mark.parametrize(
    ('tool', 'args', 'said'),
    [
        ('train.py', ['nowhere.py'], 'error: nowhere.py: no such config file'),
        ('train.py', [TOY, '--cfg-options', *SHORT, 'train_cfg.max_iters=0'], 'max_iters is 0'),
        ('test.py', [TOY, 'nowhere.pth'], 'error: nowhere.pth: no such checkpoint file'),
        (LEAVE, [TOY, 'nowhere.pth', 'left'], 'error: checkpoint nowhere.pth does not exist'),
    ],
)
def test_a_process_ends_with_2_and_one_line(in_process, tool, args, said):
    code, lines = in_process(tool, *args)
    assert code == 2
    (line,) = lines
    assert said in line


def test_the_traceback_is_shown_for_the_asking(run_tool, monkeypatch, tmp_path):
    """MMSEG_DA_DEBUG=1 lets the error itself through."""
    from mmseg_da.errors import UserError

    monkeypatch.setenv('MMSEG_DA_DEBUG', '1')
    option = 'model.segmentor.decode_head.in_index=[0,1,2,7]'
    with pytest.raises(UserError) as caught:
        run_tool('train.py', TOY, '--cfg-options', *SHORT, option)
    assert type(caught.value.__cause__) is IndexError
