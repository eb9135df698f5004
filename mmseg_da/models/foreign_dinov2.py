"""The published weights of DINOv2 under the names of our backbone."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmseg_da.models.foreign_weights import by_rules

_RULES = (
    (r'patch_embed\.proj\.', 'patch_embed.projection.'),
    (r'blocks\.(\d+)\.norm([12])\.', r'layers.\1.ln\2.'),
    (r'blocks\.(\d+)\.attn\.qkv\.', r'layers.\1.attn.attn.in_proj_'),
    (r'blocks\.(\d+)\.attn\.proj\.', r'layers.\1.attn.attn.out_proj.'),
    (r'blocks\.(\d+)\.mlp\.fc1\.', r'layers.\1.ffn.layers.0.0.'),
    (r'blocks\.(\d+)\.mlp\.fc2\.', r'layers.\1.ffn.layers.1.'),
    (r'blocks\.(\d+)\.ls([12])\.gamma', r'layers.\1.scale\2'),
    (r'norm\.', 'ln1.'),
)
_BLOCK = re.compile(r'blocks\.(\d+)\.')
_HEAD_WIDTH = 64  # of every published size


def dinov2_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename published weights; a name that no rule knows stays as it is.

    Args:
        state: ``patch_embed.proj.weight``, ``blocks.0.attn.qkv.weight`` and so on.
    """
    return {by_rules(name, _RULES): value for name, value in state.items()}


def dinov2_config(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The arguments of ``DINOv2`` for published weights; ``None`` if they are of none."""
    places, patch = state.get('pos_embed'), state.get('patch_embed.proj.weight')
    layers = {int(found[1]) for name in state if (found := _BLOCK.match(name))}
    if places is None or patch is None or places.ndim != 3 or patch.ndim != 4 or not layers:
        return None
    width, size = places.shape[-1], patch.shape[-1]
    side = round((places.shape[1] - 1) ** 0.5)
    return dict(
        embed_dims=width,
        num_layers=max(layers) + 1,
        num_heads=max(1, width // _HEAD_WIDTH),
        patch_size=size,
        img_size=side * size,
    )
