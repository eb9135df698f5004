"""Learn from a teacher what is behind a mask."""

from typing import Any

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import block_mask, blocks, uniforms
from mmseg_da.models.objectives.taught import TaughtObjective, image_numbers, is_number
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step

IMAGES = ('target', 'source', 'both')
WHERE = ('pixels', 'tokens')


@MODELS.register_module()
class MaskedConsistency(TaughtObjective):
    """Cross-entropy on masked target images, with what the teacher says of the whole images.

    Hoyer et al., "MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation", CVPR 2023,
    section 3.2. A term beside those of any method; ``model.teacher`` must be set. It shares the
    teacher's forward with :class:`SelfTraining`. A masked pixel has the mean colour, 0 after the
    normalisation.

    Args:
        ratio: Share of blocks that are masked.
        block: Side of a block in pixels: 64 in the paper, 32 for crops of 512.
        images: Which are masked: all of the ``'target'``; of the ``'source'``, with its labels; or
            of ``'both'`` every second one of each, from the first on.
        where: What is masked: blocks of ``'pixels'``, or ``'tokens'`` of a vision transformer, as in
            VFM-UDA (Englert et al., CVPRW 2024), whose backbone has a method ``masking``.
        augment: Jitter and blur them before; the paper does not with ``'both'``.
        **taught: As in :class:`~mmseg_da.models.objectives.taught.TaughtObjective`. Give the margins
            and the threshold of :class:`SelfTraining`, if there is one.

    Raises:
        UserError: An option is out of its range; in training, ``'both'`` without two images of one
            size in each domain.
    """

    views = ('masked',)
    salt = 2

    def __init__(
        self,
        ratio: float = 0.7,
        block: int = 64,
        images: str = 'target',
        where: str = 'pixels',
        augment: bool = True,
        **taught: Any,
    ) -> None:
        super().__init__(**taught)
        self._require(is_number(ratio) and 0 <= ratio < 1, 'ratio', ratio, 'in [0, 1)')
        whole = isinstance(block, int) and is_number(block) and block > 0
        self._require(whole, 'block', block, 'a whole number above 0')
        self._require(images in IMAGES, 'images', images, f'one of {list(IMAGES)}')
        self._require(where in WHERE, 'where', where, f'one of {list(WHERE)}')
        self._require(isinstance(augment, bool), 'augment', augment, 'True or False')
        self.ratio, self.block, self.images, self.augment = ratio, block, images, augment
        self.where = where
        self.needs_teacher = images != 'source'
        self.joins_domains = images != 'target'

    def losses(self, step: Step) -> dict[str, Tensor]:
        key = self.draws.next()
        images, labels, weights = self.lesson(step)
        if self.augment:
            images = self.augmented(step, images, key)
        if self.where == 'pixels':
            return self.cross_entropy(step, images * self.kept(images, key), labels, weights)
        backbone = step.segmentor.backbone
        with backbone.masking(self.masked_tokens(images, backbone.grid(*images.shape[-2:]), key)):
            return self.cross_entropy(step, images, labels, weights)

    def attach(self, segmentor: EncoderDecoder) -> None:
        """Look at the heads, and for tokens."""
        super().attach(segmentor)
        if self.where == 'tokens' and hasattr(segmentor, 'dense'):
            raise UserError(
                f"MaskedConsistency: where='tokens' masks the one image that a backbone sees, but "
                f"{type(segmentor).__name__} has its backbone see parts of it, too: leave it at 'pixels'"
            )
        if self.where == 'tokens' and not hasattr(segmentor.backbone, 'masking'):
            raise UserError(
                f"MaskedConsistency: where='tokens' needs a backbone whose tokens can be masked, such "
                f"as DINOv2, but it is a {type(segmentor.backbone).__name__}: leave it at 'pixels'"
            )

    def lesson(self, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """The images to mask, their labels and weights."""
        taught = []
        if self.images != 'target':
            labels = self.source_labels(step)
            taught.append((step.source.images, labels, torch.ones_like(labels, dtype=torch.float)))
        if self.images != 'source':
            taught.append((step.target.images, *self.pseudo(step)[:2]))
        if self.images != 'both':
            return taught[0]
        self.require_pairs(step)
        last = len(step.source.images) // 2 * 2
        self._require(last > 0, 'images', 'both', "'target' for batches of one image")
        # Every second, and side by side: two processes choose and number them as one does.
        source, target = ([each[:last:2] for each in part] for part in taught)
        images, labels, weights = (
            torch.stack([ours.to(theirs.dtype), theirs], dim=1).flatten(0, 1)
            for ours, theirs in zip(source, target, strict=True)
        )
        return images, labels, weights

    def masked_tokens(self, images: Tensor, grid: tuple[int, int], key: tuple[int, int]) -> Tensor:
        """The tokens (N, rows * columns) that are masked, bool."""
        drawn = [
            uniforms(*key, self.salt, 4, number, count=grid[0] * grid[1], like=images)
            for number in image_numbers(images)
        ]
        return torch.stack(drawn) < self.ratio

    def kept(self, images: Tensor, key: tuple[int, int]) -> Tensor:
        """1 where an image is seen, 0 where it is masked (N, 1, H, W)."""
        height, width = images.shape[-2:]
        rows, columns = blocks(self.block, height, width)
        drawn = [
            uniforms(*key, self.salt, 4, number, count=rows * columns, like=images)
            for number in image_numbers(images)
        ]
        return block_mask(torch.stack(drawn), self.ratio, self.block, height, width).to(images)
