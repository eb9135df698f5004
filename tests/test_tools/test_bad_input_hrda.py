"""Settings of HRDA that cannot be: one message, nothing written."""

import pytest
from tool_helpers import ROOT, SHORT

HRDA = str(ROOT / 'configs/small/hrda_toy.py')


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('detail_crop=512', 'HRDAEncoderDecoder: detail_crop is 512, but has to be a height and'),
        ('detail_crop=1.5', 'detail_crop is 1.5'),
        ('detail_crop=(44,44)', 'detail_crop is (44, 44), but has to be a height and a width'),
        ('detail_crop=(512,512)', 'training images are 96x192 pixels, but detail_crop is 512x512'),
        ('context_scale=0.4', 'context_scale is 0.4, but has to be one over a whole number'),
        ('context_scale=half', "context_scale is 'half'"),
        ('multiple=5', 'multiple is 5, but has to be a multiple of 2'),
        ('multiple=4', 'set multiple, and the sides of detail_crop, to multiples of '),
        ('detail_weight=2', 'detail_weight is 2, but has to be in [0, 1]'),
        ('context_weight=0.95', 'context_weight is 0.95, but has to be at most 0.9'),
        ('overlap=0.5', 'overlap is 0.5, but has to be True or False'),
        ('window_batch=-1', 'window_batch is -1, but has to be a whole number above 0'),
        ('scale_attention.num_classes=3', 'scale_attention has 3 channels, but decode_head has 10'),
        ('scale_attention=None', 'scale_attention is None'),
        ('auxiliary_head.type=FCNHead', 'auxiliary_head is set, but the two scales'),
        ('scales=2', 'scales'),
    ],
)
def test_a_wrong_segmentor_is_told(refused, option, said):
    said_by_tool = refused('train.py', HRDA, '--cfg-options', *SHORT, f'model.segmentor.{option}')
    assert said in said_by_tool


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (('batch=0',), 'HRDAEncoderDecoder: test_cfg.batch is 0, but has to be a whole number'),
        (('mode=slide',), 'test_cfg.crop_size is None, but has to be a height and a width'),
        (
            ('mode=slide', 'crop_size=(32,32)', 'stride=(64,32)'),
            'test_cfg.stride is (64, 32), but has to be at most crop_size, (32, 32)',
        ),
    ],
)
def test_wrong_sliding_is_told(refused, options, said):
    given = [f'model.segmentor.test_cfg.{option}' for option in options]
    assert said in refused('train.py', HRDA, '--cfg-options', *SHORT, *given)
