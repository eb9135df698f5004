"""What the README shows is run."""

import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_da.engine.launch import build_runner

README = Path(__file__).resolve().parents[1] / 'README.md'
SEGMENTOR = """
crop_size = (64, 64)
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True, size=crop_size),
    backbone=dict(
        type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, num_stages=4,
        out_indices=(0, 1, 2, 3), strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
    decode_head=dict(
        type='FCNHead', in_channels=64, in_index=3, channels=8, num_convs=1, num_classes=2,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='BaseSegDataset', data_root='data/my_source',
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        metainfo=dict(classes=('road', 'car'), palette=[[0, 0, 0], [9, 9, 9]]),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
                  dict(type='RandomCrop', crop_size=crop_size), dict(type='PackSegInputs')]))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2)
work_dir = 'work'
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2))
"""


def own_data_config() -> str:
    """The Python block of the README's section on own data."""
    section = README.read_text().split('### On your own data')[1]
    return re.search(r'```python\n(.*?)```', section, re.DOTALL)[1]


def write_images(folder: Path, labelled: bool) -> None:
    rng = np.random.default_rng(0)
    (folder / 'images').mkdir(parents=True)
    for number in range(3):
        pixels = rng.integers(0, 256, (70, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / 'images' / f'{number}.jpg')
        if labelled:
            (folder / 'labels').mkdir(exist_ok=True)
            labels = rng.integers(0, 2, (70, 80), dtype=np.uint8)
            Image.fromarray(labels).save(folder / 'labels' / f'{number}.png')


@pytest.mark.stack
def test_the_config_for_own_data_trains(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / 'data/my_source', labelled=True)
    write_images(tmp_path / 'data/my_target', labelled=False)
    (tmp_path / 'my_segmentor.py').write_text(SEGMENTOR)
    config = own_data_config()
    assert len(config.splitlines()) <= 40
    (tmp_path / 'adapt.py').write_text(config)
    runner = build_runner(Config.fromfile(tmp_path / 'adapt.py'))
    runner.train()
    logged = runner.message_hub.log_scalars
    for key in ('seg.decode.loss_ce', 'adv.loss_fool', 'adv.loss_source', 'adv.loss_target'):
        assert logged[f'train/{key}'].current() > 0
    assert (tmp_path / 'work/iter_2.pth').is_file()


def test_every_local_link_leads_somewhere():
    links = re.findall(r'\]\(([^)#:]+)\)', README.read_text())
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


def test_every_config_that_is_named_exists():
    named = re.findall(r'configs/[\w/]+\.py', README.read_text())
    assert len(named) >= 3
    assert [name for name in named if not (README.parent / name).is_file()] == []
