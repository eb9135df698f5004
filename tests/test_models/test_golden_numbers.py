"""Sizes and counts of the published networks, and which of their statistics move.

Large networks are built on the meta device: shapes without values.
"""

import pytest
import torch
from builders import adaptsegnet, build_adaptor, build_wrappers, snapshot, train
from mmseg.models.backbones import ResNet
from torch import nn

from mmseg_da.models import CeilPoolResNet, PixelDiscriminator
from mmseg_da.registry import MODELS
from mmseg_da.structures import dense_forward

SIZES = {(720, 1280): (91, 161), (512, 1024): (65, 129), (512, 512): (65, 65)}
ALL_FOUR = (6, 12, 18, 24)


def deeplab(
    two_heads: bool = True,
    depth: int = 101,
    base_channels: int = 64,
    dilations: tuple[int, ...] = ALL_FOUR,
    norm_eval: bool = False,
) -> dict:
    """Config of DeepLabV2 as AdaptSegNet and ADVENT train it."""
    width = base_channels * 16

    def head(in_channels: int, in_index: int) -> dict:
        return dict(
            type='ASPPV2Head',
            in_channels=in_channels,
            in_index=in_index,
            dilations=dilations,
            num_classes=19,
            align_corners=True,
        )

    auxiliary = dict(auxiliary_head=head(width, 2)) if two_heads else {}
    return dict(
        type='EncoderDecoder',
        backbone=dict(
            type='CeilPoolResNet',
            depth=depth,
            stem_channels=base_channels,
            base_channels=base_channels,
            style='caffe',
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            contract_dilation=False,
            norm_cfg=dict(type='BN', requires_grad=False),
            norm_eval=norm_eval,
        ),
        decode_head=head(2 * width, 3),
        **auxiliary,
    )


def on_meta(cfg: dict) -> nn.Module:
    with torch.device('meta'):
        return MODELS.build(cfg)


def count(module: nn.Module, trainable: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)


def test_deeplab_has_the_published_number_of_parameters():
    two_heads = on_meta(deeplab())
    assert count(two_heads) == 44_601_560
    assert count(two_heads, trainable=True) == 44_496_216  # all but gamma and beta
    assert count(on_meta(deeplab(two_heads=False))) == 43_901_068


@pytest.mark.parametrize(('channels', 'number'), [(19, 2_781_121)])
def test_the_discriminator_has_the_published_number_of_parameters(channels, number):
    assert count(PixelDiscriminator(channels)) == number


@pytest.mark.parametrize('size', SIZES)
def test_logits_have_the_published_size(size):
    segmentor = on_meta(deeplab(depth=50, base_channels=4)).train()
    logits = dense_forward(segmentor, torch.empty(1, 3, *size, device='meta')).logits
    assert {name: tuple(x.shape) for name, x in logits.items()} == dict(
        decode=(1, 19, *SIZES[size]), aux=(1, 19, *SIZES[size])
    )


def test_without_the_ceiling_mode_the_size_is_another():
    cfg = deeplab(depth=50, base_channels=4)
    cfg['backbone']['type'] = 'ResNet'
    logits = dense_forward(on_meta(cfg), torch.empty(1, 3, 96, 160, device='meta')).logits
    assert logits['decode'].shape[-2:] == (12, 20)


@pytest.mark.parametrize(
    ('size', 'verdicts'), [((720, 1280), (22, 40)), ((512, 1024), (16, 32)), ((512, 512), (16, 16))]
)
def test_verdicts_have_the_published_size(size, verdicts):
    with torch.device('meta'):
        assert PixelDiscriminator(19)(torch.empty(1, 19, *size)).shape == (1, 1, *verdicts)


def test_one_verdict_sees_94_pixels():
    rival = PixelDiscriminator(1, channels=2)
    for parameter in rival.parameters():
        nn.init.constant_(parameter, 0.1)
    pixels = torch.ones(1, 1, 256, 256, requires_grad=True)
    rival(pixels)[0, 0, 4, 4].backward()
    rows = pixels.grad[0, 0].abs().sum(1).nonzero()
    assert rows.max() - rows.min() + 1 == 94


def test_the_discriminator_is_five_convolutions_with_leaks_between():
    rival = PixelDiscriminator(3, channels=4)
    scores = torch.rand(1, 3, 64, 64)
    expected = scores
    for i, layer in enumerate([0, 2, 4, 6, 8]):
        expected = expected if i == 0 else expected.where(expected > 0, 0.2 * expected)
        conv = rival[layer]
        expected = nn.functional.conv2d(expected, conv.weight, conv.bias, stride=2, padding=1)
    assert torch.allclose(rival(scores), expected, atol=1e-6)
    assert len(rival) == 9


def test_the_backbone_takes_checkpoints_of_mmsegs_resnet():
    settings = deeplab()['backbone']
    ours = on_meta(settings).state_dict()
    theirs = on_meta(settings | dict(type='ResNet')).state_dict()
    assert len(ours) == 624
    assert list(ours) == list(theirs)
    assert all(ours[key].shape == theirs[key].shape for key in ours)


def test_the_backbone_differs_from_mmsegs_resnet_in_the_stem_pool_alone():
    ours, theirs = (
        kind(depth=18, stem_channels=4, base_channels=4) for kind in (CeilPoolResNet, ResNet)
    )
    theirs.load_state_dict(ours.state_dict())
    images = torch.rand(1, 3, 65, 65)  # the pool sees 33 pixels: both roundings agree
    assert all(map(torch.equal, ours(images), theirs(images)))
    even = torch.rand(1, 3, 64, 64)
    assert ours(even)[0].shape[-1] == theirs(even)[0].shape[-1] + 1


def test_the_aspp_sums_its_branches():
    head = MODELS.build(deeplab(base_channels=4, dilations=(6, 12))['decode_head'])
    features = torch.rand(1, 128, 9, 9)
    weights = {6: head.branches[0], 12: head.branches[1]}
    expected = sum(
        nn.functional.conv2d(features, conv.weight, conv.bias, padding=rate, dilation=rate)
        for rate, conv in weights.items()
    )
    assert torch.allclose(head([None, None, None, features]), expected)
    assert len(head.branches) == 2


def test_the_aspp_starts_with_small_weights_and_torchs_biases():
    head = MODELS.build(deeplab(base_channels=16)['decode_head'])
    biases = [branch.bias.clone() for branch in head.branches]
    head.init_weights()
    weights = torch.cat([branch.weight.flatten() for branch in head.branches])
    assert weights.std().item() == pytest.approx(0.01, rel=0.02)
    assert all(torch.equal(branch.bias, b) for branch, b in zip(head.branches, biases, strict=True))
    assert not hasattr(head, 'conv_seg')


@pytest.mark.parametrize('norm_eval', [False, True])
def test_frozen_batch_norm_keeps_its_weights_and_moves_its_statistics_as_told(norm_eval):
    segmentor = deeplab(depth=50, base_channels=4, dilations=(1, 2), norm_eval=norm_eval)
    adaptor = build_adaptor(adaptsegnet(), segmentor)
    before = snapshot(adaptor.segmentor)
    train(adaptor, build_wrappers(adaptor))
    moved = {
        key
        for key, value in adaptor.segmentor.state_dict().items()
        if not torch.equal(value, before[key])
    }
    statistics = {key for key in before if 'running' in key or 'num_batches' in key}
    norm_weights = {
        key.replace('running_mean', kind)
        for key in statistics
        for kind in ('weight', 'bias')
        if 'running_mean' in key
    }
    assert len(norm_weights) == 2 * 53
    assert not moved & norm_weights
    assert moved & statistics == (set() if norm_eval else statistics)
    assert moved - statistics == set(before) - statistics - norm_weights
    batches = {adaptor.segmentor.state_dict()[key].item() for key in before if 'num_batches' in key}
    assert batches == ({0} if norm_eval else {2})  # source and target
