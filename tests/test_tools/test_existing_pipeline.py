"""The guide for a pipeline of mmseg that there is, executed: fifteen lines, a training, the way back."""

import os
import re
import subprocess
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from mmseg.registry import MODELS
from PIL import Image
from tool_helpers import ROOT, SHORT, start

GUIDE = (ROOT / 'docs/existing_pipeline.md').read_text()
LISTINGS = re.findall(r'```python\n(.*?)```', GUIDE, re.DOTALL)
STOCK = (
    Path(mmseg.__file__).parent
    / '.mim/configs/pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'
)
SIZE = (96, 96)
# The stock config at a reduced size, on small images.
MINE = f"""
_base_ = {str(STOCK)!r}
crop_size = {SIZE}
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=crop_size),
    backbone=dict(base_channels=8, stem_channels=8, norm_cfg=norm_cfg),
    decode_head=dict(in_channels=64, channels=16, norm_cfg=norm_cfg),
    auxiliary_head=dict(in_channels=32, channels=8, norm_cfg=norm_cfg),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(data_root='data/city', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root='data/city', pipeline=test_pipeline))
test_dataloader = val_dataloader
"""


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    """What the guide's reader has: a config, a checkpoint, and images in mmseg's layout."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for number in range(3):
            name = f'a/a_{number}'
            _save(f'data/city/leftImg8bit/{split}/{name}_leftImg8bit.png', rng, (100, 120, 3))
            _save(f'data/city/gtFine/{split}/{name}_gtFine_labelTrainIds.png', rng, (100, 120))
    for number in range(3):
        _save(f'data/new/{number}.png', rng, (110, 100, 3))
    Path('pspnet_mine.py').write_text(MINE)
    Path('pspnet_adapted.py').write_text(LISTINGS[0])
    with DefaultScope.overwrite_default_scope('mmseg'):
        cfg = Config.fromfile('pspnet_mine.py')
        model = MODELS.build(cfg.model)
    meta = dict(dataset_meta=dict(classes=mmseg.datasets.CityscapesDataset.METAINFO['classes']))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), 'pspnet_mine.pth')
    return tmp_path


def _save(file, rng, shape):
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    high = 19 if len(shape) == 2 else 256
    Image.fromarray(rng.integers(0, high, shape, dtype=np.uint8)).save(file)


def test_adaptation_takes_fifteen_lines():
    lines = [line for line in LISTINGS[0].splitlines() if line.strip()]
    assert len(lines) <= 15


def _run(script, folder):
    """Run Python where mmseg_da cannot be imported."""
    (folder / 'script.py').write_text(script)
    alone = ROOT / 'tests/test_tools/without_us.py'
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-I', str(alone), 'script.py'],
        cwd=folder,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.stack
def test_the_guide_from_its_first_line_to_its_last(pipeline):
    short = [each for each in SHORT if 'adaptation_view' not in each]  # a hook of our own configs
    options = ['load_from=pspnet_mine.pth', *short]
    assert start(ROOT / 'tools/train.py', 'pspnet_adapted.py', '--cfg-options', *options) == 0
    trained = CheckpointLoader.load_checkpoint('work_dirs/pspnet_adapted/iter_2.pth', 'cpu')[
        'state_dict'
    ]
    assert {key.split('.')[0] for key in trained} >= {'segmentor', 'objectives'}
    given = CheckpointLoader.load_checkpoint('pspnet_mine.pth', 'cpu')['state_dict']
    weights = {key: value for key, value in given.items() if key.endswith('weight')}
    moved = [(trained[f'segmentor.{k}'] - v).abs().max() for k, v in weights.items()]
    assert 0 < max(moved) < 0.1  # two steps away from the checkpoint, and from no other weights

    leave = ['pspnet_adapted.py', 'work_dirs/pspnet_adapted/iter_2.pth', 'plain']
    assert start(ROOT / 'tools/adaptor2segmentor.py', *leave) == 0
    image = 'data/new/0.png'
    Path('image.png').write_bytes(Path(image).read_bytes())
    _run(LISTINGS[1] + '\nassert labels.shape == (110, 100), labels.shape\n', pipeline)

    pytest.importorskip('onnx', reason='needs onnx, onnxscript and onnxruntime (the extra dev)')
    runtime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    images = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    torch.save(images, 'images.pt')
    _run(LISTINGS[2] + CHECK, pipeline)
    session = runtime.InferenceSession('plain.onnx', providers=['CPUExecutionProvider'])
    (scores,) = session.run(['scores'], dict(images=images.numpy()))
    expected = torch.load('scores.pt', weights_only=True)
    assert scores.shape == tuple(expected.shape) == (1, 19, 12, 12)
    torch.testing.assert_close(torch.from_numpy(scores), expected, rtol=0, atol=1e-4)
    assert expected.std() > 1e-3


CHECK = """
with torch.no_grad():
    torch.save(segmentor(torch.load('images.pt', weights_only=True)), 'scores.pt')
"""
