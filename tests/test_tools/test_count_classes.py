"""The tool that counts the classes of a source, as the training would."""

import re
import shutil

import pytest
from tool_helpers import ROOT, SHORT

CONFIG = ROOT / 'configs/small/dacs_toy.py'
RARE = 'train_dataloader.dataset.rare_classes'


@pytest.fixture
def fresh_data(own_data):
    """A copy of the toy data without a target, of which nothing was counted."""
    shutil.rmtree(own_data / 'gta/.mmseg_da', ignore_errors=True)
    return own_data


@pytest.mark.stack
def test_the_training_takes_what_was_counted(fresh_data, run_tool):
    options = ['--cfg-options', f'{RARE}.min_pixels=300']
    result = run_tool('count_classes.py', CONFIG, *options)
    assert result.code == 0
    said = result.out + result.err
    assert 'rare_classes: classes of the source' in said
    assert 'sky: ' in said
    trained = run_tool('train.py', CONFIG, *options, *SHORT)
    assert trained.code == 0
    lines = [line.strip() for line in said.splitlines() if 'of the pixels' in line]
    assert len(lines) == 10
    assert all(line in trained.out + trained.err for line in lines)
    assert 'counting the pixels' in said
    assert 'counting the pixels' not in trained.out + trained.err


def test_it_needs_no_target(fresh_data, run_tool):
    shutil.rmtree(fresh_data / 'cityscapes')
    assert run_tool('count_classes.py', CONFIG, '--cfg-options', f'{RARE}.min_pixels=9').code == 0


def test_without_the_option_it_takes_the_papers_settings(fresh_data, run_tool):
    result = run_tool('count_classes.py', CONFIG)
    assert 'have no image with more than 3000 pixels' in result.out + result.err


def test_a_config_without_a_source_and_a_missing_one_are_told(refused, fresh_data):
    plain = ROOT / 'configs/small/upper_bound_toy.py'
    said = refused('count_classes.py', plain, '--cfg-options', 'train_dataloader.dataset=None')
    assert 'no train_dataloader.dataset with a source and a target' in said
    shutil.rmtree(fresh_data / 'gta/images')
    assert 'gta/images: no such folder' in refused('count_classes.py', CONFIG)
    assert 'nothing.py: no such config' in refused('count_classes.py', 'nothing.py')


def test_the_documented_setting_is_a_config(fresh_data, run_tool, tmp_path):
    page = (ROOT / 'docs/rare_classes.md').read_text()
    (block,) = re.findall(r'```python\n(.*?)```', page, re.DOTALL)
    config = tmp_path / 'mine.py'
    config.write_text(f"_base_ = '{CONFIG}'\n{block}")
    result = run_tool('count_classes.py', config)
    assert result.code == 0
    assert 'have no image with more than 3000 pixels' in result.out + result.err
