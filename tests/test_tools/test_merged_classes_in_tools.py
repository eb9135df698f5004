"""A model of merged classes goes through the tools like any other."""

import json

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from tool_helpers import ROOT, SHORT

MERGED = ROOT / 'configs/small/merged_toy.py'
NAMES = ['ground', 'construction', 'nature', 'mobile']
OPTIONS = ['--cfg-options', *SHORT]

pytestmark = pytest.mark.usefixtures('plainly_written')


@pytest.fixture
def trained(run_tool, tmp_path):
    assert run_tool('train.py', MERGED, '--work-dir', tmp_path / 'run', *OPTIONS).code == 0
    return tmp_path / 'run/iter_2.pth'


@pytest.mark.stack
def test_it_is_tested_augmented_and_left_for_mmseg(run_tool, trained, tmp_path):
    args = ['--out', tmp_path / 'out', '--work-dir', tmp_path / 'test']
    assert run_tool('test.py', MERGED, trained, '--tta', *args, *OPTIONS).code == 0
    (path,) = (tmp_path / 'test').glob('*/*.json')
    scores = json.loads(path.read_text())
    assert [key[4:] for key in scores if key.startswith('IoU.')] == NAMES
    for picture in (tmp_path / 'out').iterdir():
        assert np.asarray(Image.open(picture)).max() < len(NAMES)

    done = run_tool('adaptor2segmentor.py', MERGED, trained, tmp_path / 'plain')
    assert done.code == 0, done.err
    assert 'mmseg does not know MergedClasses' in done.out + done.err
    (config,) = (tmp_path / 'plain').glob('*.py')
    plain = Config.fromfile(config)
    assert plain.model.decode_head.num_classes == 4
    assert 'val_dataloader' not in plain
    assert [each['type'] for each in plain.test_pipeline] == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'PackSegInputs',
    ]


def test_the_images_are_browsed_in_merged_classes(run_tool, tmp_path):
    args = ['--output-dir', tmp_path / 'seen', '--cfg-options']
    few = 'train_dataloader.dataset.source.dataset.indices=1'
    assert run_tool('browse_dataset.py', MERGED, *args, few).code == 0
    assert len(list((tmp_path / 'seen').iterdir())) == 1
