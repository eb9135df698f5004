"""HRDA's released weights, with both of its heads, fuse to the same logits."""

import pytest
import torch
from mmengine.registry import init_default_scope
from released_networks import ReleasedDAFormerHead, ReleasedHRDA, ReleasedMiT, randomise

from mmseg_da.engine.foreign_checkpoints import fit
from mmseg_da.models.foreign_weights import daformer_segmentor
from mmseg_da.registry import MODELS

WIDTHS, HEADS, CLASSES = (4, 8, 20, 32), (1, 2, 5, 8), 5


def head(**settings):
    return dict(
        type='DAFormerHead',
        in_channels=list(WIDTHS),
        in_index=[0, 1, 2, 3],
        num_classes=CLASSES,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        **settings,
    )


@pytest.mark.stack
@pytest.mark.parametrize('size', [(64, 64), (96, 128)])
def test_fused_logits_of_hrda_are_the_same(size):
    init_default_scope('mmseg')
    released = ReleasedHRDA(
        ReleasedMiT(WIDTHS, HEADS, (1, 1, 1, 1), (8, 4, 2, 1)),
        ReleasedDAFormerHead(WIDTHS, 6, CLASSES),
        ReleasedDAFormerHead(WIDTHS, 8, CLASSES, dilations=None),
        side=64,
    )
    randomise(released)
    cfg = dict(
        type='HRDAEncoderDecoder',
        backbone=dict(
            type='ReleasedMixVisionTransformer',
            embed_dims=4,
            num_layers=[1, 1, 1, 1],
            num_heads=list(HEADS),
            sr_ratios=[8, 4, 2, 1],
        ),
        decode_head=head(channels=6),
        scale_attention=head(channels=8, dilations=None),
        detail_crop=(64, 64),
        test_cfg=dict(mode='whole'),
    )
    segmentor = MODELS.build(cfg).double().eval()
    weights = fit(segmentor, daformer_segmentor(released.state_dict()), 'file', 'the segmentor')
    segmentor.load_state_dict(weights, strict=True)
    rng = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, *size, generator=rng, dtype=torch.float64)
    with torch.no_grad():
        expected, got = released(images), segmentor._forward(images)
    assert expected.shape == (2, CLASSES, size[0] // 4, size[1] // 4)
    assert expected.std() > 0.05
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
