"""The networks of the released code of others in plain PyTorch, under the names of their weights.

Written from the papers' formulas as an independent reference: what their weights predict.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INNER_EPS = 1e-5  # of the norms of patch embeddings and of reduced keys and values
OUTER_EPS = 1e-6  # of all others


class ReleasedMiT(nn.Module):
    """A Mix Transformer (Xie et al., 2021, section 3.1)."""

    def __init__(self, widths, heads, depths, reductions, ratio=4):
        super().__init__()
        before = 3
        for i, width in enumerate(widths, 1):
            size = 7 if i == 1 else 3
            self.add_module(f'patch_embed{i}', _PatchEmbed(before, width, size, 4 if i == 1 else 2))
            blocks = [
                _Block(width, heads[i - 1], reductions[i - 1], ratio) for _ in range(depths[i - 1])
            ]
            self.add_module(f'block{i}', nn.ModuleList(blocks))
            self.add_module(f'norm{i}', nn.LayerNorm(width, eps=OUTER_EPS))
            before = width
        self.stages = len(widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        feats = []
        for i in range(1, self.stages + 1):
            x = getattr(self, f'patch_embed{i}')(x)
            for block in getattr(self, f'block{i}'):
                x = block(x)
            x = getattr(self, f'norm{i}')(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            feats.append(x)
        return feats


class _PatchEmbed(nn.Module):
    def __init__(self, before, width, size, stride):
        super().__init__()
        self.proj = nn.Conv2d(before, width, size, stride, size // 2)
        self.norm = nn.LayerNorm(width, eps=INNER_EPS)

    def forward(self, x):
        return self.norm(self.proj(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Block(nn.Module):
    """x + A(n1(x)), then y + M(n2(y)); maps (N, C, H, W) in and out."""

    def __init__(self, width, heads, reduction, ratio):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=OUTER_EPS)
        self.attn = _Attention(width, heads, reduction)
        self.norm2 = nn.LayerNorm(width, eps=OUTER_EPS)
        self.mlp = _Mlp(width, ratio * width)

    def forward(self, x):
        rows = x.permute(0, 2, 3, 1)
        rows = rows + self.attn(self.norm1(rows))
        rows = rows + self.mlp(self.norm2(rows))
        return rows.permute(0, 3, 1, 2)


class _Attention(nn.Module):
    """softmax(q k' / sqrt(d)) v, with keys and values of a map that is ``reduction`` times smaller."""

    def __init__(self, width, heads, reduction):
        super().__init__()
        self.heads = heads
        self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.sr = None
        if reduction > 1:
            self.sr = nn.Conv2d(width, width, reduction, reduction)
            self.norm = nn.LayerNorm(width, eps=INNER_EPS)

    def forward(self, x):
        inner = x
        if self.sr is not None:
            inner = self.norm(self.sr(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        key, value = self.kv(inner).chunk(2, dim=-1)
        query, key, value = (
            each.flatten(1, 2).unflatten(-1, (self.heads, -1)) for each in (self.q(x), key, value)
        )
        scores = torch.einsum('nqhd,nkhd->nhqk', query, key) / query.shape[-1] ** 0.5
        mixed = torch.einsum('nhqk,nkhd->nqhd', scores.softmax(dim=-1), value)
        return self.proj(mixed.flatten(2)).view_as(x)


class _Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.dwconv = nn.Module()
        self.dwconv.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)

    def forward(self, x):
        hidden = self.dwconv.dwconv(self.fc1(x).permute(0, 3, 1, 2))
        return self.fc2(F.gelu(hidden).permute(0, 2, 3, 1))


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, before, width, size, dilation=1, groups=1):
        super().__init__()
        padding = dilation * (size // 2)
        self.conv = nn.Conv2d(before, width, size, 1, padding, dilation, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        return self.bn(self.conv(x)).relu()


class _Separable(nn.Module):
    def __init__(self, before, width, dilation):
        super().__init__()
        self.depthwise_conv = ConvNorm(before, before, 3, dilation, groups=before)
        self.pointwise_conv = ConvNorm(before, width, 1)

    def forward(self, x):
        return self.pointwise_conv(self.depthwise_conv(x))


class ReleasedDAFormerHead(nn.Module):
    """The decoder of DAFormer (Hoyer et al., 2022, section 3.2); without dilations, by a convolution."""

    def __init__(self, widths, channels, classes, dilations=(1, 6, 12, 18)):
        super().__init__()
        self.embed_layers = nn.ModuleDict()
        for i, width in enumerate(widths):
            self.embed_layers[str(i)] = nn.Module()
            self.embed_layers[str(i)].proj = nn.Linear(width, channels)
        joint = channels * len(widths)
        if dilations:
            self.fuse_layer = nn.Module()
            self.fuse_layer.aspp_modules = nn.ModuleList(
                ConvNorm(joint, channels, 1) if rate == 1 else _Separable(joint, channels, rate)
                for rate in dilations
            )
            self.fuse_layer.bottleneck = ConvNorm(len(dilations) * channels, channels, 3)
        else:
            self.fuse_layer = ConvNorm(joint, channels, 1)
        self.conv_seg = nn.Conv2d(channels, classes, 1)
        self.by_branches = bool(dilations)

    def forward(self, feats: list[Tensor]) -> Tensor:
        size = feats[0].shape[2:]
        embedded = [
            F.interpolate(
                self.embed_layers[str(i)].proj(each.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
                size=size,
                mode='bilinear',
                align_corners=False,
            )
            for i, each in enumerate(feats)
        ]
        x = torch.cat(embedded, dim=1)
        if not self.by_branches:
            return self.conv_seg(self.fuse_layer(x))
        branches = [branch(x) for branch in self.fuse_layer.aspp_modules]
        return self.conv_seg(self.fuse_layer.bottleneck(torch.cat(branches, dim=1)))


class ReleasedSegmentor(nn.Module):
    """Backbone and head."""

    def __init__(self, backbone, decode_head):
        super().__init__()
        self.backbone, self.decode_head = backbone, decode_head

    def forward(self, images: Tensor) -> Tensor:
        """Logits at the size of the head's output."""
        return self.decode_head(self.backbone(images))


class ReleasedHRDA(nn.Module):
    """HRDA on one backbone (Hoyer et al., ECCV 2022, section 3), as it predicts one window.

    Args:
        backbone: Of stride 4.
        head: Of both scales.
        attention: The head that says how much the detail counts.
        side: Of the square detail windows in pixels, which overlap by half.
    """

    def __init__(self, backbone, head, attention, side):
        super().__init__()
        self.backbone, self.decode_head, self.side = backbone, nn.Module(), side
        self.decode_head.head, self.decode_head.scale_attention = head, attention

    def forward(self, images: Tensor) -> Tensor:
        """Fused logits of images whose sides are multiples of half a window, at a quarter of them."""
        small = F.interpolate(images, scale_factor=0.5, mode='bilinear', align_corners=False)
        feats = self.backbone(small)
        context = self.decode_head.head(feats)
        attention = self.decode_head.scale_attention(feats).sigmoid()
        return _twice(attention) * self.detail(images) + _twice((1 - attention) * context)

    def detail(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        total = count = 0
        for top in range(0, height - self.side + 1, self.side // 2):
            for left in range(0, width - self.side + 1, self.side // 2):
                window = images[..., top : top + self.side, left : left + self.side]
                logits = self.decode_head.head(self.backbone(window))
                right, below = width - left - self.side, height - top - self.side
                around = [each // 4 for each in (left, right, top, below)]
                total = total + F.pad(logits, around)
                count = count + F.pad(torch.ones_like(logits), around)
        return total / count


def _twice(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2, mode='bilinear', align_corners=False)


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Every weight, offset and running statistic at random, in float64 and for testing."""
    rng = torch.Generator().manual_seed(seed)
    for name, each in network.state_dict().items():
        if not each.is_floating_point():
            continue
        if each.ndim > 1:
            each.copy_(torch.randn(each.shape, generator=rng) / each[0].numel() ** 0.5)
        else:
            low = 0.5 if name.endswith(('var', 'weight')) else -0.5
            each.copy_(low + torch.rand(each.shape, generator=rng))
    return network.double().eval()
