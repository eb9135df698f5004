"""DINOv2's encoder against a plain one of the published layout, its tokens and its weights."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmseg_da.engine.activation_checkpointing import checkpoint_activations
from mmseg_da.engine.importing_dinov2 import import_dinov2
from mmseg_da.errors import UserError
from mmseg_da.models.backbones import DINOv2
from mmseg_da.models.foreign_dinov2 import dinov2_backbone, dinov2_config
from mmseg_da.registry import MODELS
from mmseg_da.testing import counted_forwards

WIDTH, LAYERS, HEADS, PATCH, SIDE = 128, 3, 2, 6, 4
SIZES = dict(
    embed_dims=WIDTH, num_layers=LAYERS, num_heads=HEADS, patch_size=PATCH, img_size=SIDE * PATCH
)


class Block(nn.Module):
    """As published: pre-norm, LayerScale on both branches."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(WIDTH, eps=1e-6) for _ in range(2))
        self.attn = nn.Module()
        self.attn.qkv, self.attn.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.ls1, self.ls2 = nn.Module(), nn.Module()
        self.ls1.gamma, self.ls2.gamma = (nn.Parameter(torch.rand(WIDTH)) for _ in range(2))

    def forward(self, x):
        n, tokens, _ = x.shape
        qkv = self.attn.qkv(self.norm1(x)).view(n, tokens, 3, HEADS, WIDTH // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        shares = (q @ k.transpose(-2, -1) / (WIDTH // HEADS) ** 0.5).softmax(dim=-1)
        seen = (shares @ v).transpose(1, 2).reshape(n, tokens, WIDTH)
        x = x + self.ls1.gamma * self.attn.proj(seen)
        return x + self.ls2.gamma * self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class Published(nn.Module):
    """The names and the forward of the published encoder."""

    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.randn(1, SIDE**2 + 1, WIDTH))
        self.mask_token = nn.Parameter(torch.randn(1, WIDTH))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)

    def forward(self, images, mask=None):
        x = self.patch_embed.proj(images)
        rows, columns = x.shape[-2:]
        x = x.flatten(2).transpose(1, 2).clone()
        if mask is not None:
            x[mask] = self.mask_token[0]
        places = self.pos_embed
        if (rows, columns) != (SIDE, SIDE):
            grid = places[:, 1:].view(1, SIDE, SIDE, WIDTH).permute(0, 3, 1, 2)
            scale = ((rows + 0.1) / SIDE, (columns + 0.1) / SIDE)
            grid = F.interpolate(grid, scale_factor=scale, mode='bicubic')
            assert grid.shape[-2:] == (rows, columns)
            places = torch.cat([places[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + places
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 1:].transpose(1, 2).unflatten(2, (rows, columns))


@pytest.fixture
def pair():
    torch.manual_seed(0)
    published = Published().double()
    ours = DINOv2(**SIZES, resize=1.0).double()
    ours.load_state_dict(dinov2_backbone(published.state_dict()))
    return published, ours


@pytest.mark.parametrize('cells', [(SIDE, SIDE), (3, 7)])
def test_features_are_those_of_the_published_code(pair, cells):
    published, ours = pair
    images = torch.randn(2, 3, *(PATCH * each for each in cells), dtype=torch.double)
    (feats,) = ours(images)
    assert feats.shape == (2, WIDTH, *cells)
    torch.testing.assert_close(feats, published(images), rtol=0, atol=1e-10)


def test_masked_tokens_are_replaced_before_their_places_are_added(pair):
    published, ours = pair
    images = torch.randn(2, 3, 18, 42, dtype=torch.double)
    mask = torch.rand(2, 21) < 0.5
    with ours.masking(mask):
        (feats,) = ours(images)
    torch.testing.assert_close(feats, published(images, mask), rtol=0, atol=1e-10)
    (whole,) = ours(images)
    torch.testing.assert_close(whole, published(images), rtol=0, atol=1e-10)


def test_the_mask_token_learns_and_a_failure_ends_the_masking(pair):
    _, ours = pair
    with ours.masking(torch.ones(1, 16, dtype=torch.bool)):
        ours(torch.randn(1, 3, 24, 24, dtype=torch.double))[0].sum().backward()
    assert ours.mask_token.grad.abs().max() > 0
    with pytest.raises(RuntimeError), ours.masking(torch.ones(1, 3, dtype=torch.bool)):
        ours(torch.randn(1, 3, 24, 24, dtype=torch.double))
    ours(torch.randn(1, 3, 24, 24, dtype=torch.double))


def test_images_are_resized_to_whole_patches():
    backbone = DINOv2(**SIZES | dict(patch_size=14, img_size=56), resize=1.1)
    assert backbone.grid(1024, 512) == (80, 40)  # 1126.4 / 14 and 563.2 / 14
    assert backbone(torch.randn(1, 3, 64, 90))[0].shape[-2:] == (5, 7)
    with pytest.raises(UserError, match='an image of 8 x 64 has no whole patch of 14'):
        backbone.grid(8, 64)


@pytest.mark.parametrize(('dims', 'layers', 'heads'), [(768, 12, 12), (1024, 24, 16)])
def test_sizes_of_the_published_models(dims, layers, heads):
    """By the formula: 12 C^2 + 15 C a block, the patches, the places, three tokens' worth, the norm."""
    with torch.device('meta'):
        backbone = DINOv2(embed_dims=dims, num_layers=layers, num_heads=heads)
    block = 12 * dims**2 + 15 * dims
    expected = layers * block + (3 * 14**2 + 1) * dims + (37**2 + 1) * dims + 2 * dims + 2 * dims
    assert sum(each.numel() for each in backbone.parameters()) == expected


def test_the_converter_fits_to_the_last_weight(pair, tmp_path):
    published, ours = pair
    torch.save(published.state_dict(), tmp_path / 'dinov2.pth')
    (said,) = import_dinov2(str(tmp_path / 'dinov2.pth'), tmp_path / 'ours.pth')
    assert 'embed_dims=128, num_layers=3, num_heads=2, patch_size=6, img_size=24' in said
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'ours.pth'))
    fresh = MODELS.build(dict(type='DINOv2', **SIZES, init_cfg=init)).double()
    fresh.init_weights()
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name].float().double()) or torch.equal(
            value, ours.state_dict()[name]
        )


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda s: s.pop('mask_token'), 'mask_token'),
        (lambda s: s.update(register_tokens=torch.zeros(1, 4, WIDTH)), 'register_tokens'),
        (lambda s: s.pop('pos_embed'), 'holds no DINOv2'),
    ],
)
def test_other_files_are_told(pair, tmp_path, change, said):
    state = copy.deepcopy(pair[0].state_dict())
    change(state)
    torch.save(state, tmp_path / 'other.pth')
    with pytest.raises(UserError, match=said):
        import_dinov2(str(tmp_path / 'other.pth'), tmp_path / 'ours.pth')
    assert not (tmp_path / 'ours.pth').exists()


def test_what_is_no_dinov2_has_no_sizes():
    assert dinov2_config({'layers.0': torch.zeros(1)}) is None


def test_arguments_of_mmsegs_transformer_reach_the_layers():
    backbone = DINOv2(
        **SIZES,
        drop_rate=0.1,
        attn_drop_rate=0.2,
        drop_path_rate=0.3,
        qkv_bias=False,
        num_fcs=3,
        act_cfg=dict(type='ReLU'),
        with_cp=True,
    )
    assert len(backbone.layers) == LAYERS
    for number, layer in enumerate(backbone.layers):
        assert layer.attn.attn.dropout == 0.2
        assert layer.attn.proj_drop.p == 0.1
        assert layer.attn.attn.in_proj_bias is None
        assert {m.p for m in layer.ffn.modules() if isinstance(m, nn.Dropout)} == {0.1}
        assert sum(isinstance(each, nn.Linear) for each in layer.ffn.modules()) == 3
        assert any(isinstance(each, nn.ReLU) for each in layer.ffn.modules())
        assert layer.with_cp
        if number:
            assert layer.ffn.dropout_layer.drop_prob == pytest.approx(0.15 * number)


def test_all_but_what_is_named_is_frozen():
    backbone = DINOv2(**SIZES, frozen_exclude=['attn', 'scale'])
    trained = {name for name, each in backbone.named_parameters() if each.requires_grad}
    assert trained == {n for n, _ in backbone.named_parameters() if 'attn' in n or 'scale' in n}
    assert len(trained) == LAYERS * 6


def learned(backbone, images, masked):
    """Features and gradients of one masked pass whose backward comes after the masking."""
    with backbone.masking(masked):
        (feats,) = backbone(images)
    feats.square().sum().backward()
    return feats.detach(), {name: each.grad for name, each in backbone.named_parameters()}


@pytest.mark.parametrize('how', ['with_cp', 'whole', 'patches', 'layer'])
def test_computed_again_it_is_masked_as_before(pair, how):
    plain = pair[1]
    saving = DINOv2(**SIZES, resize=1.0, with_cp=how == 'with_cp').double()
    saving.load_state_dict(plain.state_dict())
    names = dict(whole='backbone', patches='backbone.patch_embed', layer='backbone.layers.1')
    if how in names:
        checkpoint_activations(nn.ModuleDict(dict(backbone=saving)), names[how])
    images, masked = torch.randn(2, 3, 24, 24, dtype=torch.double), torch.rand(2, 16) < 0.5
    inner = saving.layers[1].ffn
    with counted_forwards(inner) as count:
        feats, grads = learned(saving, images, masked)
    assert count.value == (1 if how == 'patches' else 2)
    expected, theirs = learned(plain, images, masked)
    assert torch.equal(feats, expected)
    for name, grad in theirs.items():
        torch.testing.assert_close(grads[name], grad, rtol=0, atol=1e-12, msg=name)
    assert saving._masked is None
