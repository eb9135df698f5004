"""Mistakes with rare-class sampling: told in one message, and no training is left half-started."""

import shutil

import pytest
from tool_helpers import ROOT, SHORT

from mmseg_da.datasets.pixel_cache import PixelCache

DATA = 'train_dataloader.dataset'
RARE = f'{DATA}.rare_classes'
CONFIG = ROOT / 'configs/small/dacs_toy.py'

CASES = {
    f'{RARE}.temperature=-0.01': ['temperature is -0.01', 'a number above 0'],
    f'{RARE}.temperature=cold': ["temperature is 'cold'"],
    f'{RARE}.min_pixels=-3': ['min_pixels is -3'],
    f'{RARE}.min_pixels=1.5': ['min_pixels is 1.5'],
    f'{RARE}.min_crop_ratio=-1': ['min_crop_ratio is -1'],
    f'{RARE}.tries=many': ["tries is 'many'"],
    f'{RARE}.cache=[]': ['cache is []', 'the name of a folder'],
    f'{RARE}.temprature=0.1': ["'temprature' is no setting; there are temperature"],
    f'{RARE}=0.01': ['rare_classes is 0.01, but has to be a dict'],
    f'{RARE}.min_pixels=18432': ['no class has an image with more than 18432', 'min_pixels'],
    f'{RARE}.min_pixels=10 train_dataloader.sampler.shuffle=False': ['shuffle=False', 'leave one'],
}


@pytest.mark.parametrize('options', CASES)
def test_a_mistake_is_told(refused, options):
    said = refused('train.py', CONFIG, '--cfg-options', *SHORT, *options.split())
    assert all(word in said for word in CASES[options]), said


@pytest.fixture
def fresh_data(own_data):
    """A copy of the toy data of which nothing was counted."""
    shutil.rmtree(own_data / 'gta/.mmseg_da', ignore_errors=True)
    return own_data


def labels_of(data):
    return sorted((data / 'gta/labels').glob('*_labelTrainIds.png'))


def test_a_broken_label_is_named_and_no_cache_is_left(fresh_data, refused):
    labels = labels_of(fresh_data)
    labels[3].write_bytes(labels[3].read_bytes()[:100])
    said = refused('train.py', CONFIG, '--cfg-options', *SHORT, f'{RARE}.min_pixels=10')
    assert '1 of 6 labels cannot be counted' in said
    assert f'{labels[3].name}: is no label, or is damaged' in said


def test_a_missing_label_is_named(fresh_data, refused):
    labels = labels_of(fresh_data)
    labels[2].unlink()
    said = refused('train.py', CONFIG, '--cfg-options', *SHORT, f'{RARE}.min_pixels=10')
    assert f'{labels[2].name}: no such label' in said


def test_a_crop_that_is_too_small_is_told(refused, tmp_path):
    config = tmp_path / 'small_crops.py'
    config.write_text(
        f"_base_ = '{CONFIG}'\n"
        'pipeline = _base_.source_pipeline\n'
        "pipeline.insert(2, dict(type='RandomCrop', crop_size=(32, 32)))\n"
        'train_dataloader = dict(\n'
        '    dataset=dict(source=dict(pipeline=pipeline), rare_classes=dict(min_pixels=3000))\n'
        ')\n'
    )
    said = refused('train.py', config, '--cfg-options', *SHORT)
    assert 'no crop of 32 x 32 has more than 1500 pixels' in said


@pytest.mark.stack
def test_a_damaged_cache_is_a_warning_and_the_training_goes_on(fresh_data, run_tool, tmp_path):
    options = [*SHORT, f'{RARE}.min_pixels=100']
    assert run_tool('train.py', CONFIG, '--cfg-options', *options).code == 0
    (cache,) = (fresh_data / 'gta/.mmseg_da').iterdir()
    whole = cache.read_bytes()
    cache.write_bytes(whole[:50])
    result = run_tool('train.py', CONFIG, '--work-dir', 'again', '--cfg-options', *options)
    assert result.code == 0
    assert f'{cache}: is damaged' in result.out + result.err
    assert len(PixelCache(cache, '', 10)._load()) == 6


def test_looking_at_the_images_counts_nothing(fresh_data, run_tool):
    options = ['--cfg-options', f'{RARE}.min_pixels=100']
    looked = run_tool(
        'browse_dataset.py', CONFIG, '--output-dir', 'pictures', '--not-show', *options
    )
    assert looked.code == 0
    assert not (fresh_data / 'gta/.mmseg_da').exists()
