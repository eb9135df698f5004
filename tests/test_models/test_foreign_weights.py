"""Weights of the released code predict with our networks what they predict with theirs."""

import pytest
import torch
from mmengine.registry import init_default_scope
from released_deeplabv2 import ReleasedDeepLabV2
from released_networks import (
    ReleasedDAFormerHead,
    ReleasedMiT,
    ReleasedSegmentor,
    randomise,
)

from mmseg_da.engine.importing import mit_name
from mmseg_da.models.foreign_weights import (
    daformer_segmentor,
    deeplabv2_segmentor,
    mit_backbone,
    mit_config,
)
from mmseg_da.registry import MODELS

WIDTHS, HEADS, DEPTHS, REDUCTIONS = (4, 8, 20, 32), (1, 2, 5, 8), (2, 1, 2, 1), (8, 4, 2, 1)
CLASSES = 5
MIT = dict(
    in_channels=3,
    embed_dims=4,
    num_stages=4,
    num_layers=list(DEPTHS),
    num_heads=list(HEADS),
    patch_sizes=[7, 3, 3, 3],
    strides=[4, 2, 2, 2],
    sr_ratios=list(REDUCTIONS),
    out_indices=(0, 1, 2, 3),
    mlp_ratio=4,
    qkv_bias=True,
)
# Heights and widths that the strides divide, and odd ones, whose keys are of a cut map.
SIZES = ((64, 96), (71, 101))


@pytest.fixture(scope='module', autouse=True)
def _scope():
    init_default_scope('mmseg')


@pytest.fixture(scope='module')
def released_mit():
    return randomise(ReleasedMiT(WIDTHS, HEADS, DEPTHS, REDUCTIONS))


def images(size, channels=3):
    rng = torch.Generator().manual_seed(1)
    return torch.randn(2, channels, *size, generator=rng, dtype=torch.float64)


def ours(cfg, weights):
    """Our network of a config with these weights, all of which it needs, and no others."""
    network = MODELS.build(cfg).double()
    counters = {k: v for k, v in network.state_dict().items() if k.endswith('_tracked')}
    network.load_state_dict(counters | weights, strict=True)
    return network.eval()


def decoder(**settings):
    return dict(
        type='DAFormerHead',
        in_channels=list(WIDTHS),
        in_index=[0, 1, 2, 3],
        channels=6,
        num_classes=CLASSES,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        **settings,
    )


@pytest.mark.stack
@pytest.mark.parametrize('size', SIZES)
def test_features_of_a_mit_are_the_same(released_mit, size):
    backbone = ours(
        dict(type='ReleasedMixVisionTransformer', **MIT), mit_backbone(released_mit.state_dict())
    )
    with torch.no_grad():
        expected, got = released_mit(images(size)), backbone(images(size))
    assert len(got) == 4
    for theirs, mine in zip(expected, got, strict=True):
        assert theirs.std() > 0.1
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)


@pytest.mark.stack
def test_in_float32_they_agree_to_its_precision(released_mit):
    cfg = dict(type='ReleasedMixVisionTransformer', **MIT)
    backbone = ours(cfg, mit_backbone(released_mit.state_dict())).float()
    with torch.no_grad():
        expected, got = released_mit(images(SIZES[0])), backbone(images(SIZES[0]).float())
    for theirs, mine in zip(expected, got, strict=True):
        torch.testing.assert_close(mine, theirs.float(), rtol=0, atol=1e-5)


def test_mmsegs_own_mit_takes_the_weights_and_differs_by_its_epsilons(released_mit):
    weights = mit_backbone(released_mit.state_dict())
    backbone = ours(dict(type='MixVisionTransformer', **MIT), weights)
    released = ours(dict(type='ReleasedMixVisionTransformer', **MIT), weights)
    dim = images(SIZES[0]) / 100  # of little variance, where an epsilon shows
    with torch.no_grad():
        gaps = [(a - b).abs().max() for a, b in zip(backbone(dim), released(dim), strict=True)]
    assert all(1e-7 < gap < 0.1 for gap in gaps)


def test_the_arguments_are_read_from_the_weights(released_mit):
    assert mit_config(released_mit.state_dict()) == MIT


# Millions of parameters without the classifier, as mmseg's MixVisionTransformer has them.
VARIANTS = [
    ('MiT-B0', 32, (2, 2, 2, 2), 3.32),
    ('MiT-B1', 64, (2, 2, 2, 2), 13.15),
    ('MiT-B2', 64, (3, 4, 6, 3), 24.20),
    ('MiT-B3', 64, (3, 4, 18, 3), 44.07),
    ('MiT-B4', 64, (3, 8, 27, 3), 60.84),
    ('MiT-B5', 64, (3, 6, 40, 3), 81.44),
]


@pytest.mark.parametrize(('name', 'width', 'depths', 'millions'), VARIANTS)
def test_each_released_variant_is_told_by_its_weights(name, width, depths, millions):
    with torch.device('meta'):
        released = ReleasedMiT([width * n for n in HEADS], HEADS, depths, REDUCTIONS)
    arguments = mit_config(released.state_dict())
    assert arguments == MIT | dict(embed_dims=width, num_layers=list(depths))
    assert mit_name(arguments) == name
    number = sum(each.numel() for each in released.parameters())
    assert round(number / 1e6, 2) == millions


@pytest.mark.parametrize('left_out', ['patch_embed2.', 'block3.', 'patch_embed1.proj', 'block1.0.'])
def test_what_is_no_whole_mit_has_no_arguments(released_mit, left_out):
    state = released_mit.state_dict()
    cut = {name: each for name, each in state.items() if not name.startswith(left_out)}
    assert len(cut) < len(state)
    assert mit_config(cut) is None
    assert mit_config({}) is None


def test_a_query_without_its_keys_keeps_its_name(released_mit):
    state = released_mit.state_dict()
    del state['block1.0.attn.kv.bias']
    assert 'block1.0.attn.q.bias' in mit_backbone(state)


@pytest.mark.stack
@pytest.mark.parametrize('dilations', [(1, 6, 12, 18), None])
@pytest.mark.parametrize('size', SIZES)
def test_logits_of_daformer_are_the_same(dilations, size):
    head = ReleasedDAFormerHead(WIDTHS, 6, CLASSES, dilations)
    released = randomise(ReleasedSegmentor(ReleasedMiT(WIDTHS, HEADS, DEPTHS, REDUCTIONS), head))
    cfg = dict(
        type='EncoderDecoder',
        backbone=dict(type='ReleasedMixVisionTransformer', **MIT),
        decode_head=decoder(dilations=dilations),
    )
    segmentor = ours(cfg, daformer_segmentor(released.state_dict()))
    with torch.no_grad():
        expected = released(images(size))
        got = segmentor.decode_head(segmentor.backbone(images(size)))
    assert expected.shape == (2, CLASSES, -(-size[0] // 4), -(-size[1] // 4))
    assert expected.std() > 0.05
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize('summed', [2, 4])
@pytest.mark.parametrize('classifiers', [('layer5', 'layer6'), ('layer5',), ('layer6',)])
def test_logits_of_deeplabv2_are_the_same(summed, classifiers):
    released = randomise(ReleasedDeepLabV2(2, CLASSES, classifiers, summed))
    rates = (6, 12, 18, 24)[:summed]
    shared = dict(type='ASPPV2Head', num_classes=CLASSES, align_corners=True, dilations=rates)
    cfg = dict(
        type='EncoderDecoder',
        backbone=dict(
            type='CeilPoolResNet',
            depth=50,
            stem_channels=2,
            base_channels=2,
            style='caffe',
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            contract_dilation=False,
        ),
        decode_head=dict(in_channels=64, in_index=3, **shared),
        auxiliary_head=dict(in_channels=32, in_index=2, **shared),
    )
    if len(classifiers) == 1:
        del cfg['auxiliary_head']
    state = {f'Scale.{name}': each for name, each in released.state_dict().items()}
    weights = deeplabv2_segmentor(state)
    dead = [name for name in weights if '.branches.' in name and int(name.split('.')[2]) >= summed]
    assert len(dead) == 2 * (4 - summed) * len(classifiers)
    segmentor = ours(cfg, {name: each for name, each in weights.items() if name not in dead})
    with torch.no_grad():
        expected = released(images((65, 90)))
        feats = segmentor.backbone(images((65, 90)))
        got = [segmentor.decode_head(feats)]
        if len(classifiers) == 2:
            got.insert(0, segmentor.auxiliary_head(feats))
    for theirs, mine in zip(expected, got, strict=True):
        assert theirs.std() > 0.05
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)


def test_a_resnet_in_daformers_code_keeps_its_names_and_its_head_gets_ours():
    names = ['backbone.stem.0.weight', 'backbone.layer1.0.conv1.weight']
    head = [
        f'decode_head.aspp_modules.{i}.conv.{kind}' for i in (0, 3) for kind in ('weight', 'bias')
    ]
    renamed = daformer_segmentor({name: torch.zeros(1) for name in [*names, *head]})
    expected = [f'decode_head.branches.{i}.{kind}' for i in (0, 3) for kind in ('weight', 'bias')]
    assert list(renamed) == names + expected


def test_the_two_heads_of_hrda_are_told_apart():
    names = {
        'decode_head.head.conv_seg.weight': 'decode_head.conv_seg.weight',
        'decode_head.head.fuse_layer.bottleneck.bn.bias': 'decode_head.bottleneck.bn.bias',
        'decode_head.scale_attention.conv_seg.bias': 'scale_attention.conv_seg.bias',
        'decode_head.scale_attention.fuse_layer.conv.weight': 'scale_attention.bottleneck.conv.weight',
        'decode_head.scale_attention.embed_layers.2.proj.bias': 'scale_attention.embeddings.2.bias',
        'decode_head.head.aspp_modules.1.conv.bias': 'decode_head.branches.1.bias',
        'decode_head.scale_attention.aspp_modules.1.conv.bias': 'scale_attention.branches.1.bias',
    }
    renamed = daformer_segmentor({name: torch.zeros(1) for name in names})
    assert list(renamed) == list(names.values())


def test_a_name_that_no_rule_knows_stays():
    weights = {'decode_head.new': torch.zeros(1), 'backbone.patch_embed1.new': torch.zeros(1)}
    assert set(daformer_segmentor(weights)) == set(weights)
