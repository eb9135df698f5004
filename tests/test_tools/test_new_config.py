"""Configs for data of one's own: written, and trained as they are."""

import re

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from tool_helpers import ROOT, SHORT, start

from mmseg_da.new_config import METHODS
from mmseg_da.registry import MODELS

TOOL, TRAIN, TEST = (ROOT / 'tools' / f'{name}.py' for name in ('new_config', 'train', 'test'))
CLASSES = 'meadow,house,lake'
SMALL = SHORT[:6]  # no workers
TRAIN_ONLY = [each for each in SMALL if each.startswith('train')]
SEGMENTOR = """
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[100.0, 110.0, 120.0], std=[50.0, 50.0, 50.0],
        bgr_to_rgb=False, size=(32, 32), pad_val=0, seg_pad_val=255,
    ),
    backbone=dict(
        type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, num_stages=4,
        out_indices=(0, 1, 2, 3), strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), norm_cfg=norm_cfg,
        contract_dilation=True,
    ),
    decode_head=dict(
        type='FCNHead', in_channels=64, in_index=3, channels=8, num_convs=1, num_classes=19,
        norm_cfg=norm_cfg, align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
    auxiliary_head=[dict(
        type='FCNHead', in_channels=32, in_index=2, channels=8, num_convs=1, num_classes=19,
        norm_cfg=norm_cfg, align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4),
    )],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4))
param_scheduler = [dict(type='PolyLR', power=1.0, begin=0, end=7, by_epoch=False)]
train_dataloader = dict(batch_size=16, dataset=dict(type='ADE20KDataset', data_root='nowhere'))
val_dataloader = dict(batch_size=1, dataset=dict(type='ADE20KDataset', data_root='nowhere'))
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU', 'mDice'])
custom_hooks = [dict(type='NoSuchHook')]
"""


def draw(folder, name, size, rng, labels=True, ending='.jpg', label_ending='.png'):
    """One image whose colours say its three classes."""
    ids = rng.integers(0, 3, size=(size[0] // 8 + 1, size[1] // 8 + 1)).repeat(8, 0).repeat(8, 1)
    ids = ids[: size[0], : size[1]].astype(np.uint8)
    noise = rng.integers(0, 30, size=(*size, 3))
    pixels = (ids[..., None] * np.array([60, 100, 30]) + noise).astype(np.uint8)
    for kind, picture, end in (('images', pixels, ending), ('labels', ids, label_ending)):
        if kind == 'images' or labels:
            file = folder / kind / f'{name}{end}'
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file)


@pytest.fixture
def data(tmp_path):
    """Two domains of images of odd and of several sizes."""
    rng = np.random.default_rng(0)
    for number in range(4):
        draw(tmp_path / 'here', f'a{number}', (50 + number, 71), rng)
        draw(tmp_path / 'there', f'b{number}', (49, 67), rng, labels=False)
    for number in range(2):
        draw(tmp_path / 'val', f'c{number}', (49, 67), rng)
    (tmp_path / 'segmentor.py').write_text(SEGMENTOR)
    return tmp_path


def arguments(data, *more, val=True, classes=CLASSES):
    here, there, val_folder = data / 'here', data / 'there', data / 'val'
    args = ['--source', here / 'images', here / 'labels', '--target', there / 'images']
    args += ['--target-val', val_folder / 'images', val_folder / 'labels'] if val else []
    own = ['--classes', classes, '--segmentor', data / 'segmentor.py', '--nproc', 1]
    return [data / 'new.py', *args, *own, '--iters', 2, *more]


@pytest.mark.parametrize(
    'method',
    [pytest.param('mic', marks=pytest.mark.stack), *(each for each in METHODS if each != 'mic')],
)
def test_its_config_trains_and_tests_as_it_is(data, method, capfd):
    assert start(TOOL, *arguments(data, '--method', method)) == 0
    told = capfd.readouterr().out
    assert 'source: 4 images' in told
    cfg = Config.fromfile(data / 'new.py')
    assert cfg.crop_size == (32, 64)
    assert cfg.model.segmentor.auxiliary_head[0].num_classes == 3
    assert cfg.model.data_preprocessor.mean == [100.0, 110.0, 120.0]
    assert cfg.optim_wrapper.segmentor.optimizer.type == 'AdamW'
    work = data / 'work'
    assert start(TRAIN, data / 'new.py', '--work-dir', work, '--cfg-options', *SMALL) == 0
    assert (work / 'iter_2.pth').is_file()
    log = next(work.glob('2*/*.log')).read_text()
    assert 'mIoU' in log
    for name in CLASSES.split(','):
        assert f'IoU.{name}' in log
    assert start(TEST, data / 'new.py', work / 'iter_2.pth', '--cfg-options', *SMALL) == 0


def test_the_command_of_the_page(data, monkeypatch):
    monkeypatch.chdir(data)
    rng = np.random.default_rng(2)
    for folder in ('labelled', 'new', 'new_val'):
        draw(data / 'my_data' / folder, 'x', (64, 64), rng)
    page = (ROOT / 'docs/new_config.md').read_text()
    command = re.search(r'python tools/new_config\.py ((?:.*\\\n)*.*)\n', page)[1]
    assert start(TOOL, *command.replace('\\\n', ' ').split()) == 0
    cfg = Config.fromfile('my_config.py')
    assert cfg.metainfo.classes == ('road', 'car', 'sky')
    assert cfg.test_dataloader.dataset.data_prefix.img_path == str(data / 'my_data/new_val/images')
    assert 'python tools/train.py my_config.py' in page


def test_without_labels_of_the_target_nothing_is_scored(data):
    assert start(TOOL, *arguments(data, val=False)) == 0
    work = data / 'work'
    assert start(TRAIN, data / 'new.py', '--work-dir', work, '--cfg-options', *TRAIN_ONLY) == 0
    assert (work / 'iter_2.pth').is_file()
    assert 'mIoU' not in next(work.glob('2*/*.log')).read_text().split('Config:')[1][-3000:]


@pytest.mark.parametrize(
    'ends', [('_view.png', '_mask_ids.png'), ('.png', '.png'), ('.jpg', '_labels.png')]
)
def test_names_of_files_are_found(data, ends):
    rng = np.random.default_rng(1)
    for number in range(2):
        draw(
            data / 'other', f'in/city_{number}', (64, 64), rng, ending=ends[0], label_ending=ends[1]
        )
    here = data / 'other'
    args = arguments(data)
    args[2:4] = [here / 'images', here / 'labels']
    assert start(TOOL, *args) == 0
    source = Config.fromfile(data / 'new.py').train_dataloader.dataset.source
    assert (source.img_suffix, source.seg_map_suffix) == ends


def test_without_a_segmentor_it_is_a_pspnet_that_builds(data):
    args = arguments(data, '--crop', '48x64', '--batch', 3)
    at = args.index('--segmentor')
    del args[at : at + 2]
    assert start(TOOL, *args) == 0
    cfg = Config.fromfile(data / 'new.py')
    assert cfg.crop_size == (48, 64)
    assert cfg.train_dataloader.batch_size == 3
    with torch.device('meta'):
        segmentor = MODELS.build(cfg.model.segmentor)
    assert segmentor.decode_head.conv_seg.out_channels == 3


def save(data, classes):
    meta = dict(dataset_meta=dict(classes=classes))
    torch.save(dict(meta=meta, state_dict={}), data / 'old.pth')
    return ['--checkpoint', data / 'old.pth']


@pytest.mark.parametrize(
    ('classes', 'mode'),
    [
        (('meadow', 'house', 'lake'), None),
        (('House', 'car', 'sky'), 'remap'),
        (('car', 'sky'), 'drop'),
        ((), 'drop'),
    ],
)
def test_a_checkpoint_of_other_classes_is_fitted(data, classes, mode):
    assert start(TOOL, *arguments(data, *save(data, classes))) == 0
    cfg = Config.fromfile(data / 'new.py')
    assert cfg.load_from == str(data / 'old.pth')
    modes = [hook.mode for hook in cfg.custom_hooks if hook.type == 'ClassSurgeryHook']
    assert modes == [mode] * bool(mode)


def test_classes_may_stand_in_a_file_and_labels_count_from_one(data):
    for file in (data / 'here/labels').iterdir():
        Image.fromarray(np.asarray(Image.open(file)) + 1).save(file)
    names = data / 'names.txt'
    names.write_text('meadow\nhouse\nlake\n\n')
    more = ['--classes', f'@{names}', '--reduce-zero-label']
    assert start(TOOL, *arguments(data, *more, val=False)) == 0
    source = Config.fromfile(data / 'new.py').train_dataloader.dataset.source
    assert source.reduce_zero_label
    work = data / 'work'
    assert start(TRAIN, data / 'new.py', '--work-dir', work, '--cfg-options', *TRAIN_ONLY) == 0


def test_what_is_there_is_replaced_by_force_alone(data, refused):
    (data / 'new.py').write_text('mine')
    assert '--force' in refused(TOOL, *arguments(data))
    assert start(TOOL, *arguments(data, '--force')) == 0
    assert 'runner_type' in (data / 'new.py').read_text()


def break_label(data, change):
    file = sorted((data / 'here/labels').iterdir())[1]
    Image.fromarray(change(np.array(Image.open(file)))).save(file)


MISTAKES = dict(
    colours=(lambda d: break_label(d, lambda ids: np.stack([ids] * 3, -1)), (), 'RGB colours'),
    beyond=(lambda d: break_label(d, lambda ids: ids + 5), (), 'holds the id 7, but 3 classes'),
    from_one=(lambda d: break_label(d, lambda ids: ids + 1), (), '--reduce-zero-label'),
    size=(
        lambda d: break_label(d, lambda ids: ids[:-3]),
        (),
        'is 48 x 71 .* but its image 51 x 71',
    ),
    unpaired=(lambda d: (d / 'here/labels/a2.png').unlink(), (), r'a2\.jpg: has no label'),
    corrupt=(
        lambda d: (d / 'there/images/b1.jpg').write_text('x'),
        (),
        r'b1\.jpg: the image cannot be read \(it is no picture\)',
    ),
    kinds=(
        lambda d: (d / 'there/images/b1.jpg').rename(d / 'there/images/b1.png'),
        (),
        'images of several kinds',
    ),
    no_folder=(lambda d: None, ('--target', 'nowhere'), 'nowhere: no such folder'),
    empty=(lambda d: (d / 'none').mkdir(), ('--target', '{data}/none'), 'none: holds no image'),
    one_class=(lambda d: None, ('--classes', 'road'), '2 to 255 classes'),
    twice=(lambda d: None, ('--classes', 'a,b,a'), "'a' is named twice"),
    no_file=(lambda d: None, ('--classes', '@no.txt'), 'no such file'),
    crop=(lambda d: None, ('--crop', '64x64'), 'the smallest images are 49 x 67'),
    suffix=(lambda d: None, ('--img-suffix', '.bmp'), "no image ends in '.bmp'"),
    checkpoint=(lambda d: None, ('--checkpoint', 'no.pth'), 'no.pth: no such checkpoint'),
    segmentor=(lambda d: None, ('--segmentor', 'no.py'), 'no.py: no such config'),
    iters=(lambda d: None, ('--iters', '0'), '--iters must be 1 or more'),
)


@pytest.mark.parametrize('name', MISTAKES)
def test_a_mistake_is_told_and_nothing_is_written(data, name, refused):
    change, more, said = MISTAKES[name]
    change(data)
    args = arguments(data, *[each.format(data=data) for each in more])
    assert re.search(said, refused(TOOL, *args))


def test_a_method_is_no_segmentor(data, refused):
    args = arguments(data, '--segmentor', ROOT / 'configs/small/adaptsegnet_toy.py')
    assert 'takes the config of a plain mmseg EncoderDecoder' in refused(TOOL, *args)
