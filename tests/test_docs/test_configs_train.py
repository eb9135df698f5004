"""The configs of the README and the docs train, cut down to two iterations of small networks on small data."""

import re
from importlib.util import find_spec

import pytest
from page_blocks import ROOT, config_blocks, config_text
from reduced_run import ITERATIONS, reduced
from test_readme import write_images

from mmseg_da.engine import launch

QUICK = ('docs/methods/fda.md', 'docs/get_started.md', 'docs/howto/own_data.md')
NEEDS = dict(TensorboardVisBackend='tensorboard')  # packages that are no requirement of ours


def _cases():
    for block in config_blocks():
        quick = str(block.page.relative_to(ROOT)) in QUICK
        yield pytest.param(block, id=block.where, marks=[] if quick else pytest.mark.slow)


def provide_data(block, folder):
    """Data of the user that a config names: here it is that of GTA5, and the first five images."""
    for name in re.findall(r"'data/(\w+)'", block.text):
        if (folder / 'data' / name).exists():
            continue
        if name.startswith('my_'):
            write_images(folder / 'data' / name, labelled='target' not in name)
        else:
            (folder / 'data' / name).symlink_to(folder / 'data/gta')
    for name in re.findall(r"ann_file='([\w.]+)'", block.text):
        images = sorted((folder / 'data/cityscapes/leftImg8bit/train').rglob('*.png'))[:5]
        stems = [str(each.relative_to(each.parents[1])) for each in images]
        lines = ''.join(stem.replace('_leftImg8bit.png', '\n') for stem in stems)
        (folder / 'data/cityscapes' / name).write_text(lines)


@pytest.mark.parametrize('block', _cases())
def test_a_documented_config_trains(block, sandbox, tmp_path, monkeypatch):
    for word, package in NEEDS.items():
        if word in block.text and find_spec(package) is None:
            pytest.skip(f'{block.where} is for users of {package}, which is not installed')
    monkeypatch.delenv('MMSEG_DA_DATA', raising=False)
    monkeypatch.chdir(sandbox.folder)
    provide_data(block, sandbox.folder)
    file = tmp_path / 'mine.py'
    # The stage `source` of a run is a training like that of source_only.
    file.write_text(
        re.sub(r'work_dirs/\w+/source/', 'work_dirs/source_only_gta2cs/', config_text(block))
    )
    cfg = reduced(launch.load_config(str(file), None, str(tmp_path / 'work')), tmp_path)
    launch.train(cfg)
    assert (tmp_path / f'work/iter_{ITERATIONS}.pth').is_file()
