"""Weights of other code under the names of our networks.

Renaming alone: nothing here reads a file or builds a network. A name that no rule knows stays as it
is, so that a comparison with the network tells it. The layouts are those of the released files of
SegFormer (Xie et al., 2021), DAFormer, HRDA and MIC (Hoyer et al., 2022 and 2023), AdaptSegNet (Tsai
et al., 2018) and ADVENT (Vu et al., 2019).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

Rules = Iterable[tuple[str, str]]

# Of a stage, whose number is put in front. mmseg has a stage as patch embedding, blocks and norm.
_MIT: Rules = (
    (r'patch_embed\.proj\.', '0.projection.'),
    (r'patch_embed\.norm\.', '0.norm.'),
    (r'block\.(\d+)\.norm([12])\.', r'1.\1.norm\2.'),
    (r'block\.(\d+)\.attn\.(sr|norm)\.', r'1.\1.attn.\2.'),
    (r'block\.(\d+)\.attn\.in_proj_', r'1.\1.attn.attn.in_proj_'),
    (r'block\.(\d+)\.attn\.proj\.', r'1.\1.attn.attn.out_proj.'),
    (r'block\.(\d+)\.mlp\.fc1\.', r'1.\1.ffn.layers.0.'),
    (r'block\.(\d+)\.mlp\.dwconv\.dwconv\.', r'1.\1.ffn.layers.1.'),
    (r'block\.(\d+)\.mlp\.fc2\.', r'1.\1.ffn.layers.4.'),
    (r'norm\.', '2.'),
)
_MIT_STAGE = re.compile(r'(patch_embed|block|norm)(\d+)\.(.+)')
_QUERY = re.compile(r'(block\d+\.\d+\.attn\.)q\.(weight|bias)')

_HRDA: Rules = (
    (r'decode_head\.head\.', 'decode_head.'),
    (r'decode_head\.scale_attention\.', 'scale_attention.'),
)
_HEAD = r'(decode_head|scale_attention)\.'
_HEADS: Rules = (
    (_HEAD + r'embed_layers\.(\d+)\.proj\.', r'\1.embeddings.\2.'),
    (_HEAD + r'fuse_layer\.aspp_modules\.', r'\1.branches.'),
    (_HEAD + r'fuse_layer\.bottleneck\.', r'\1.bottleneck.'),
    (_HEAD + r'fuse_layer\.(conv|bn)\.', r'\1.bottleneck.\2.'),  # fuses by a 1x1 convolution
    (_HEAD + r'aspp_modules\.(\d+)\.conv\.', r'\1.branches.\2.'),  # DeepLabV2's
)
_POINTWISE = re.compile(r'.*(ffn\.layers\.[04]|embeddings\.\d+)\.weight')  # linear in the original

# The layers of a ResNet are named alike everywhere.
_RESNET = re.compile(r'(conv1|bn1|layer[1-4])\..+')
_CLASSIFIER = re.compile(r'(layer[56])\.conv2d_list\.(\d+)\.(.+)')


def mit_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of an original Mix Transformer to mmseg's ``MixVisionTransformer``.

    mmseg has query, key and value in one matrix, the linear layers of the feed-forward part as 1x1
    convolutions, and the rest under other names.

    Args:
        state: ``patch_embed1.proj.weight``, ``block1.0.attn.q.weight`` and so on.

    Returns:
        ``layers.0.0.projection.weight``, ``layers.0.1.0.attn.attn.in_proj_weight`` and so on.
    """
    renamed = {}
    for name, value in _joined(state).items():
        stage = _MIT_STAGE.fullmatch(name)
        inner = by_rules(f'{stage[1]}.{stage[3]}', _MIT) if stage else ''
        if inner[:1].isdigit():
            name = f'layers.{int(stage[2]) - 1}.{inner}'
        renamed[name] = _as_convolution(name, value)
    return renamed


def _joined(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Query in front of key and value, as ``torch.nn.MultiheadAttention`` wants them."""
    joined = dict(state)
    for name in state:
        query = _QUERY.fullmatch(name)
        others = f'{query[1]}kv.{query[2]}' if query else ''
        if query and others in joined:
            both = joined.pop(name), joined.pop(others)
            joined[f'{query[1]}in_proj_{query[2]}'] = torch.cat(both)
    return joined


def daformer_segmentor(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a segmentor of DAFormer, HRDA or MIC to ours.

    Args:
        state: Names begin with ``backbone.`` and ``decode_head.``. The backbone is a Mix Transformer,
            or a ResNet, whose names are mmseg's already.
    """
    backbone = below(state, 'backbone.')
    if any(_MIT_STAGE.fullmatch(name) for name in backbone):
        backbone = mit_backbone(backbone)
    renamed = {f'backbone.{name}': value for name, value in backbone.items()}
    for name, value in state.items():
        if not name.startswith('backbone.'):
            new = by_rules(by_rules(name, _HRDA), _HEADS)
            renamed[new] = _as_convolution(new, value)
    return renamed


def deeplabv2_segmentor(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of AdaptSegNet's and ADVENT's DeepLabV2 to ours.

    With two classifiers, ``layer6`` is the decode head and ``layer5`` the auxiliary one; a single
    one is the decode head under either name.

    Args:
        state: A ResNet's names, and ``layer5.conv2d_list.0.weight`` and so on; also all of them
            behind ``Scale.``.
    """
    state = {name.removeprefix('Scale.'): value for name, value in state.items()}
    heads = {'layer6': 'decode_head', 'layer5': 'auxiliary_head'}
    if not any(name.startswith('layer6.') for name in state):
        heads = {'layer5': 'decode_head'}
    renamed = {}
    for name, value in state.items():
        part = _CLASSIFIER.fullmatch(name)
        if part and part[1] in heads:
            name = f'{heads[part[1]]}.branches.{part[2]}.{part[3]}'
        elif _RESNET.fullmatch(name):
            name = f'backbone.{name}'
        renamed[name] = value
    return renamed


def mit_config(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The arguments of mmseg's ``MixVisionTransformer`` for original weights; None if they are of none.

    All released ones have heads of the width of the first stage.
    """
    stages = sorted({int(m[2]) for name in state if (m := _MIT_STAGE.fullmatch(name))})
    if not stages or stages != list(range(1, len(stages) + 1)):
        return None
    patches = [state.get(f'patch_embed{i}.proj.weight') for i in stages]
    hidden = state.get('block1.0.mlp.fc1.weight')
    if hidden is None or any(each is None or each.ndim != 4 for each in patches):
        return None
    width = patches[0].shape[0]
    depths = [_depth(state, i) for i in stages]
    if not 0 < width <= min(each.shape[0] for each in patches) or 0 in depths:
        return None
    return dict(
        in_channels=patches[0].shape[1],
        embed_dims=width,
        num_stages=len(stages),
        num_layers=depths,
        num_heads=[each.shape[0] // width for each in patches],
        patch_sizes=[each.shape[-1] for each in patches],
        strides=[4] + [2] * (len(stages) - 1),
        sr_ratios=[_reduction(state, i) for i in stages],
        out_indices=tuple(range(len(stages))),
        mlp_ratio=hidden.shape[0] // width,
        qkv_bias='block1.0.attn.q.bias' in state,
    )


def _as_convolution(name: str, value: Tensor) -> Tensor:
    """The matrix of a linear layer as the kernel of a 1x1 convolution."""
    linear = value.ndim == 2 and _POINTWISE.fullmatch(name)
    return value[..., None, None] if linear else value


def _depth(state: Mapping[str, Tensor], stage: int) -> int:
    return len({name.split('.')[1] for name in state if name.startswith(f'block{stage}.')})


def _reduction(state: Mapping[str, Tensor], stage: int) -> int:
    weight = state.get(f'block{stage}.0.attn.sr.weight')
    return weight.shape[-1] if weight is not None and weight.ndim == 4 else 1


def below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights whose names begin with a prefix, without it."""
    return {name[len(prefix) :]: each for name, each in state.items() if name.startswith(prefix)}


def by_rules(name: str, rules: Rules) -> str:
    """A name after the first rule, a pattern and what it becomes, that its beginning matches."""
    for pattern, replacement in rules:
        found = re.match(pattern, name)
        if found:
            return found.expand(replacement) + name[found.end() :]
    return name
