"""Windows that are seen together give what mmseg gives one after the other."""

import pytest
import torch
from hrda_builders import toy_hrda
from mmengine.config import ConfigDict
from mmseg.models.segmentors import EncoderDecoder

from mmseg_da.errors import UserError
from mmseg_da.registry import MODELS
from mmseg_da.testing import counted_forwards, toy_pspnet, toy_segformer


def build(cfg, batch=None, crop=(48, 64), stride=(32, 48)):
    torch.manual_seed(0)
    slide = dict(mode='slide', crop_size=crop, stride=stride, batch=batch)
    segmentor = MODELS.build(cfg | dict(test_cfg=ConfigDict(slide)))
    segmentor.init_weights()
    return segmentor.double().eval()


def plain():
    return toy_pspnet() | dict(type='BatchedSlideEncoderDecoder')


def metas(size, num):
    return [dict(img_shape=size, ori_shape=size, pad_shape=size) for _ in range(num)]


@pytest.mark.stack
@pytest.mark.parametrize('make', [plain, toy_hrda])
@pytest.mark.parametrize('size', [(96, 128), (75, 101), (40, 130), (32, 48)])
@pytest.mark.parametrize('batch', [None, 1, 2])
@torch.no_grad()
def test_the_scores_are_mmsegs(make, size, batch):
    segmentor = build(make(), batch)
    images = torch.randn(2, 3, *size).double()
    ours = segmentor.inference(images, metas(size, 2))
    theirs = EncoderDecoder.slide_inference(segmentor, images, metas(size, 2))
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(('batch', 'forwards'), [(None, 1), (4, 3), (1, 9)])
@torch.no_grad()
def test_windows_are_seen_together(batch, forwards):
    segmentor = build(plain(), batch)
    with counted_forwards(segmentor.backbone) as count:
        segmentor.inference(torch.randn(1, 3, 112, 160).double(), metas((112, 160), 1))
    assert count.value == forwards  # 3 x 3 windows


@torch.no_grad()
def test_what_is_known_of_an_image_stays():
    segmentor, known = build(plain()), metas((96, 128), 1)
    segmentor.inference(torch.randn(1, 3, 96, 128).double(), known)
    assert known == metas((96, 128), 1)  # mmseg writes the window's size into it


def test_whole_images_are_mmsegs_too():
    torch.manual_seed(0)
    cfg = toy_segformer()
    ours, theirs = (
        MODELS.build(cfg | dict(type=kind)).eval()
        for kind in ('BatchedSlideEncoderDecoder', 'EncoderDecoder')
    )
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(1, 3, 64, 64)
    a, b = (each.inference(images, metas((64, 64), 1)) for each in (ours, theirs))
    assert torch.equal(a, b)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(batch=0), 'test_cfg.batch is 0, but has to be a whole number'),
        (dict(batch=1.5), 'test_cfg.batch is 1.5'),
        (dict(crop=512), 'test_cfg.crop_size is 512, but has to be a height and a width'),
        (dict(stride=None), 'test_cfg.stride is None'),
        (dict(stride=(0, 48)), r'test_cfg.stride is \(0, 48\)'),
        (dict(stride=(64, 48)), r'test_cfg.stride is \(64, 48\), but has to be at most crop_size'),
    ],
)
def test_wrong_options_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        build(plain(), **settings)
