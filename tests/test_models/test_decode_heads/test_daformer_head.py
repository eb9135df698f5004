"""DAFormer's head: its published size, and its scores against plain torch."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.models.backbones import MixVisionTransformer
from torch import nn

from mmseg_da.models import DAFormerHead, ReleasedMixVisionTransformer

LEVELS = [64, 128, 320, 512]


def head(channels=256, in_channels=LEVELS, **options):
    return DAFormerHead(
        in_channels=in_channels,
        in_index=[0, 1, 2, 3],
        channels=channels,
        num_classes=19,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        **options,
    )


def millions(module: nn.Module) -> float:
    return round(sum(each.numel() for each in module.parameters()) / 1e6, 2)


def test_published_sizes():
    with torch.device('meta'):
        assert millions(head()) == 3.71
        assert millions(head(dilations=None)) == 0.53


@pytest.mark.parametrize(
    ('depth', 'size'), [([3, 4, 18, 3], 44.07), ([3, 8, 27, 3], 60.84), ([3, 6, 40, 3], 81.44)]
)
def test_published_sizes_of_mit_b3_b4_b5(depth, size):
    net = MixVisionTransformer(embed_dims=64, num_layers=depth, num_heads=[1, 2, 5, 8])
    assert millions(net) == size


def conv(x, layer, padding=0, dilation=1):
    """A convolution, batch norm by running statistics and ReLU."""
    x = F.conv2d(x, layer.conv.weight, padding=padding, dilation=dilation, groups=layer.conv.groups)
    norm = layer.bn
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * scale
    return (x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)).relu()


@pytest.mark.parametrize('separable', [True, False])
def test_scores_are_those_of_plain_torch(separable):
    torch.manual_seed(0)
    net = head(8, [4, 6, 8, 10], separable=separable).double().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    sizes = [(17, 23), (9, 12), (5, 6), (3, 3)]
    levels = [
        torch.rand(2, c, *size, dtype=torch.double)
        for c, size in zip([4, 6, 8, 10], sizes, strict=True)
    ]
    embedded = [
        F.interpolate(
            torch.einsum('nchw,dc->ndhw', level, linear.weight[:, :, 0, 0])
            + linear.bias.view(1, -1, 1, 1),
            sizes[0],
            mode='bilinear',
        )
        for level, linear in zip(levels, net.embeddings, strict=True)
    ]
    x = torch.cat(embedded, 1)
    found = [conv(x, net.branches[0])]
    for rate, branch in zip((6, 12, 18), list(net.branches)[1:], strict=True):
        if separable:
            y = conv(x, branch.depthwise_conv, rate, rate)
            found.append(conv(y, branch.pointwise_conv))
        else:
            found.append(conv(x, branch, rate, rate))
    y = conv(torch.cat(found, 1), net.bottleneck, 1)
    expected = F.conv2d(y, net.conv_seg.weight, net.conv_seg.bias)
    torch.testing.assert_close(net(levels), expected, rtol=1e-10, atol=1e-12)


def test_the_released_mit_adds_its_own_epsilons():
    small = dict(embed_dims=8, num_layers=[2, 2, 2, 2], num_heads=[1, 1, 1, 1])
    net = ReleasedMixVisionTransformer(**small)
    found = {name: m.eps for name, m in net.named_modules() if isinstance(m, nn.LayerNorm)}
    wide = {name for name, eps in found.items() if eps == 1e-5}
    assert {name for name, eps in found.items() if eps == 1e-6} | wide == set(found)
    assert wide == {f'layers.{i}.0.norm' for i in range(4)} | {
        f'layers.{i}.1.{j}.attn.norm' for i in range(3) for j in range(2)
    }
    plain = MixVisionTransformer(**small)
    assert set(plain.state_dict()) == set(net.state_dict())
