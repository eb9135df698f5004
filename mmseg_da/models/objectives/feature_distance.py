"""Keep features of things close to those that ImageNet has taught."""

import copy
from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce, get_world_size
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import cell_classes, feature_distances
from mmseg_da.models.objectives.base import Objective, require_classes
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step, encoder_images

THINGS = (
    'traffic light', 'traffic sign', 'person', 'rider', 'car', 'truck', 'bus', 'train',
    'motorcycle', 'bicycle',
)  # fmt: skip


@MODELS.register_module()
class FeatureDistance(Objective):
    """The mean distance between features of source images and those of a frozen encoder.

    Hoyer et al., "DAFormer", CVPR 2022, section 3.3: ``mean of ||F(i, j) - F_ImageNet(i, j)||_2`` over
    the cells of the last feature map that are covered by a thing class, 0 where there is none.
    ImageNet has things, and hardly any stuff. The mean is over the batch of all processes.

    The frozen encoder is a copy of the segmentor's backbone as ``init_weights`` leaves it: with the
    weights of ``init_cfg``, before ``load_from``. It is always in evaluation mode, has no gradient
    and no optimizer, and is in the checkpoint, so that a resume needs no other file.

    Args:
        things: Names of the classes; by default those of Cityscapes. The runner resolves them
            with the names of the training data's classes (:meth:`name_classes`).
        level: Which output of the backbone.
        min_share: Share of its pixels that a class must have to cover a cell, in (0, 1].
        loss_weight: Weight of the loss.

    Attributes:
        encoder: The frozen copy.

    Raises:
        UserError: An option is out of its range, the segmentor has a neck or no such level; in
            training, a class has no such name, or nobody has named the classes.
    """

    views = ('source',)
    needs_target = False

    def __init__(
        self,
        things: Sequence[str] = THINGS,
        level: int = -1,
        min_share: float = 0.75,
        loss_weight: float = 0.005,
    ) -> None:
        super().__init__(loss_weight)
        named = isinstance(things, Sequence) and not isinstance(things, str)
        if not (named and things and all(isinstance(each, str) for each in things)):
            raise UserError(
                f'FeatureDistance: things is {things!r}, but has to be a list of class names'
            )
        number = isinstance(min_share, int | float) and not isinstance(min_share, bool)
        if not (number and 0 < min_share <= 1):
            raise UserError(f'FeatureDistance: min_share is {min_share!r}, but has to be in (0, 1]')
        if not isinstance(level, int) or isinstance(level, bool):
            raise UserError(f'FeatureDistance: level is {level!r}, but has to be a whole number')
        self.things, self.level, self.min_share = tuple(things), level, min_share
        self.named = False

    def attach(self, segmentor: EncoderDecoder) -> None:
        """Copy the backbone."""
        if segmentor.with_neck:
            raise UserError(
                'FeatureDistance compares outputs of the backbone, but the segmentor has a neck, '
                'which other objectives see: leave this objective out, or the neck'
            )
        chosen = getattr(segmentor.backbone, 'out_indices', None)
        if isinstance(chosen, Sequence):  # all of mmseg's backbones; others tell by what they give
            self._require_level(len(chosen))
        self.num_classes = require_classes(segmentor, 'decode', 'FeatureDistance').out_channels
        self.register_buffer(
            'is_thing', torch.zeros(self.num_classes + 1, dtype=torch.bool), persistent=False
        )
        self.encoder = copy.deepcopy(segmentor.backbone).requires_grad_(False)
        self._backbone = (segmentor.backbone,)  # in a tuple, as it is not a part of this module

    def init_weights(self) -> None:
        """Copy the backbone again, as its own ``init_weights`` has left it."""
        self.encoder.load_state_dict(self._backbone[0].state_dict())

    def name_classes(self, classes: Sequence[str]) -> None:
        """Look the things up among the classes that the segmentor learns.

        Raises:
            UserError: One is not there; names it and the classes.
        """
        unknown = [each for each in self.things if each not in classes]
        if unknown:
            raise UserError(
                f'FeatureDistance: things has {unknown[0]!r}, but the classes of the training data '
                f'are {", ".join(classes)}: name some of these'
            )
        numbers = [classes.index(each) for each in self.things]
        self.is_thing.zero_()
        self.is_thing[numbers] = True
        self.named = True

    def train(self, mode: bool = True) -> 'FeatureDistance':
        """Set the mode; the encoder stays in evaluation mode."""
        super().train(mode)
        if hasattr(self, 'encoder'):
            self.encoder.eval()
        return self

    def losses(self, step: Step) -> dict[str, Tensor]:
        if not self.named:
            raise UserError('FeatureDistance: nobody has named the classes: call `name_classes`')
        features = self._of_level(step.source.dense.feats)
        seen = encoder_images(step.segmentor, step.source.images)
        with torch.no_grad():
            reference = self._of_level(self.encoder(seen))
        distances = feature_distances(features, reference)
        things = self.covered(step.source.labels.long(), tuple(distances.shape[1:]))
        count = things.sum(dtype=distances.dtype)
        all_reduce(count, op='mean')
        total = distances.masked_fill(~things, 0).sum()
        mean = total / count.clamp(min=1 / get_world_size())
        return dict(loss_distance=self.loss_weight * mean, cells=count)

    @torch.no_grad()
    def covered(self, labels: Tensor, size: tuple[int, int]) -> Tensor:
        """Which cells of a feature map (N, h, w) a thing covers."""
        return self.is_thing[cell_classes(labels, self.num_classes, size, self.min_share)]

    def _of_level(self, feats: Sequence[Tensor]) -> Tensor:
        self._require_level(len(feats))
        return feats[self.level]

    def _require_level(self, outputs: int) -> None:
        if not -outputs <= self.level < outputs:
            raise UserError(
                f'FeatureDistance: level is {self.level}, but the backbone has {outputs} outputs'
            )
