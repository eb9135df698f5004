"""The vision transformer of DINOv2, of mmseg's layers."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.backbones.vit import TransformerEncoderLayer, VisionTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmseg_da.errors import UserError
from mmseg_da.registry import MODELS

_OFFSET = 0.1  # of the published code, against rounding when positions are interpolated
_OF_LAYERS = (
    'act_cfg', 'attn_drop_rate', 'drop_rate', 'norm_cfg', 'num_fcs', 'qkv_bias', 'with_cp'
)  # fmt: skip
_SCALE = 1e-5  # of a fresh branch; weights that are loaded bring their own


class _ScaledLayer(TransformerEncoderLayer):
    """A layer whose two branches have a learned scale for each channel."""

    def __init__(self, embed_dims: int, **others: Any) -> None:
        super().__init__(embed_dims, **others)
        self.scale1 = nn.Parameter(torch.full((embed_dims,), _SCALE))
        self.scale2 = nn.Parameter(torch.full((embed_dims,), _SCALE))

    def forward(self, x: Tensor) -> Tensor:
        if self.with_cp and torch.is_grad_enabled():
            return checkpoint(self._both_branches, x, use_reentrant=False)
        return self._both_branches(x)

    def _both_branches(self, x: Tensor) -> Tensor:
        nothing = torch.zeros(
            (), dtype=x.dtype, device=x.device
        )  # mmcv's branches add what they get
        x = x + self.scale1 * self.attn(self.norm1(x), identity=nothing)
        return x + self.scale2 * self.ffn(self.norm2(x), identity=nothing)


@MODELS.register_module()
class DINOv2(VisionTransformer):
    """The encoder of DINOv2, whose patch tokens may be masked.

    Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023. The features
    are those of the last layer, normalised. As VFM-UDA (Englert et al., "Exploring the Benefits of
    Vision Foundation Models for Unsupervised Domain Adaptation", CVPRW 2024) uses it, images are
    resized inside to a multiple of the patch. Weights are made from the published ones by
    ``tools/model_converters/dinov2mmseg.py``.

    Args:
        embed_dims: Width C: 768 of ViT-B, 1024 of ViT-L.
        num_layers: 12 of ViT-B, 24 of ViT-L.
        num_heads: 12 of ViT-B, 16 of ViT-L.
        patch_size: Side of a patch in pixels.
        img_size: Side of the images whose positions were learned.
        resize: Sides are multiplied by it and rounded down to whole patches.
        **others: Arguments of mmseg's ``VisionTransformer``.

    Attributes:
        mask_token: What stands for a masked token (1, C).
    """

    def __init__(
        self,
        embed_dims: int = 1024,
        num_layers: int = 24,
        num_heads: int = 16,
        patch_size: int = 14,
        img_size: int = 518,
        resize: float = 1.1,
        **others: Any,
    ) -> None:
        own = dict(norm_cfg=dict(type='LN', eps=1e-6), patch_bias=True, final_norm=True) | others
        super().__init__(
            img_size=img_size,
            patch_size=patch_size,
            embed_dims=embed_dims,
            num_layers=0,
            num_heads=num_heads,
            out_indices=[num_layers - 1],
            **own,
        )
        shared = {key: own[key] for key in _OF_LAYERS if key in own}
        most = own.get('drop_path_rate', 0.0)
        for rate in (most * number / max(num_layers - 1, 1) for number in range(num_layers)):
            self.layers.append(
                _ScaledLayer(
                    embed_dims,
                    num_heads=num_heads,
                    feedforward_channels=own.get('mlp_ratio', 4) * embed_dims,
                    drop_path_rate=rate,
                    batch_first=True,
                    **shared,
                )
            )
        self.resize = resize
        self.mask_token = nn.Parameter(torch.zeros(1, embed_dims))
        self._masked: Tensor | None = None
        self.patch_embed.register_forward_hook(self._replace_tokens)
        self._freeze()  # the layers, too

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of tokens of an image.

        Raises:
            UserError: There are none.
        """
        rows, columns = (int(side * self.resize // self.patch_size) for side in (height, width))
        if not rows or not columns:
            raise UserError(
                f'DINOv2: an image of {height} x {width} has no whole patch of {self.patch_size} '
                'pixels: take larger crops'
            )
        return rows, columns

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Features (N, C, h, w) of normalised images (N, 3, H, W), in a tuple of one."""
        size = [side * self.patch_size for side in self.grid(*inputs.shape[-2:])]
        return super().forward(F.interpolate(inputs, size, mode='bilinear', align_corners=False))

    @contextmanager
    def masking(self, masked: Tensor | None) -> Iterator[None]:
        """While this lasts, a forward has ``mask_token`` where ``masked`` (N, tokens), bool, is set."""
        before, self._masked = self._masked, masked
        try:
            yield
        finally:
            self._masked = before

    def as_now(self) -> AbstractContextManager:
        """A context of the present masking, for a forward that is computed again."""
        return self.masking(self._masked)

    def _replace_tokens(self, module: nn.Module, inputs: Any, outputs: tuple) -> tuple:
        tokens, size = outputs
        if self._masked is None:
            return outputs
        return self.mask_token.to(tokens.dtype).where(self._masked.unsqueeze(-1), tokens), size

    def _pos_embeding(self, patched_img: Tensor, hw_shape: tuple, pos_embed: Tensor) -> Tensor:
        """mmseg's, with positions interpolated as the published code does."""
        side = self.img_size[0] // self.patch_size
        if tuple(hw_shape) != (side, side):
            whole, places = pos_embed[:, :1], pos_embed[:, 1:]
            places = places.reshape(1, side, side, -1).permute(0, 3, 1, 2)
            scale = tuple((cells + _OFFSET) / side for cells in hw_shape)
            places = F.interpolate(places, scale_factor=scale, mode='bicubic')
            pos_embed = torch.cat([whole, places.flatten(2).transpose(1, 2)], dim=1)
        return self.drop_after_pos(patched_img + pos_embed)
