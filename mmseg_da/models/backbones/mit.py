"""The MiT of mmseg with the epsilons of the released one."""

from typing import Any

from mmseg.models.backbones import MixVisionTransformer
from torch import nn

from mmseg_da.registry import MODELS


@MODELS.register_module()
class ReleasedMixVisionTransformer(MixVisionTransformer):
    """mmseg's ``MixVisionTransformer``, equal to the released code on the same weights.

    The layer norms of patch embeddings and of the reduced keys and values add 1e-5 to the variance
    there, torch's default, and all others 1e-6; in mmseg all add 1e-6. Weights and their names are
    mmseg's.

    Args:
        **kwargs: As of ``MixVisionTransformer``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for embedding, blocks, _ in self.layers:
            reduced = [block.attn.norm for block in blocks if block.attn.sr_ratio > 1]
            for norm in (embedding.norm, *reduced):
                norm.eps = nn.LayerNorm(1).eps
