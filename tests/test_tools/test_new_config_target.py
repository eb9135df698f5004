"""Ends of names that are given for the source, where the target has others or several."""

from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image
from tool_helpers import ROOT, start

TOOL = ROOT / 'tools/new_config.py'


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A source whose names end in _view.png and _ids.png, and the arguments for it."""
    monkeypatch.chdir(tmp_path)
    save('all/a_view.png', 'all/a_ids.png', 'all/b_view.png', 'all/b_ids.png')
    ends = ['--img-suffix', '_view.png', '--seg-map-suffix', '_ids.png']
    return ['new.py', '--source', 'all', 'all', '--classes', 'road,sky', '--nproc', '1', *ends]


def save(*names):
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Image.new('L', (64, 64)).save(name)


def test_images_of_the_target_are_told_from_its_other_files(given, capfd):
    save('there/c_view.png', 'there/c_depth.png', 'val/x.png', 'valid/x.tif')
    more = ['--target', 'there', '--target-val', 'val', 'valid']
    assert start(TOOL, *given, *more) == 0
    cfg = Config.fromfile('new.py')
    assert cfg.train_dataloader.dataset.target.img_suffix == '_view.png'
    val = cfg.val_dataloader.dataset
    assert (val.img_suffix, val.seg_map_suffix) == ('.png', '.tif')
    told = capfd.readouterr().out
    assert 'source: 2 images (*_view.png with *_ids.png), 2 looked at' in told
    assert 'target: 1 images (*_view.png), 1 looked at' in told
    assert 'validation: 1 images (*.png with *.tif), 1 looked at' in told
    assert 'python tools/doctor.py new.py' in told


def test_a_target_of_other_names_is_taken_as_it_is(given):
    save('there/c.jpg', 'there/d.jpg')
    assert start(TOOL, *given, '--target', 'there') == 0
    assert Config.fromfile('new.py').train_dataloader.dataset.target.img_suffix == '.jpg'
