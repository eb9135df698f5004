"""Several trained segmentors that predict together."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.functional import softmax_map
from mmseg_da.models.weights import classes_in, load_part
from mmseg_da.registry import MODELS
from mmseg_da.structures import require_dense

AVERAGES = ('logits', 'softmax', 'softmax_lowres')
_PREFIXES = ('segmentor.', 'module.segmentor.', 'module.', '')
_TINY = 1e-37  # its logarithm is finite in float32


@MODELS.register_module()
class SegmentorEnsemble(BaseModel):
    """The weighted mean of what several segmentors predict. It tests and validates, like any model.

    Each member prepares the images in its own way (``data_preprocessor``) and predicts as it does
    by itself, sliding windows included; the maps of an image, at its original size, are averaged.

    Args:
        members: Configs of segmentors, or of adaptors, of which the segmentor is taken.
        checkpoints: The weights of each, of an adaptor or of a plain segmentor. ``None`` leaves the
            members as they are built.
        weights: Of each member, not negative, divided by their sum; ``None``: all alike.
        average: ``'logits'``, up-sampled, as ADVENT joins AdvEnt and MinEnt (Vu et al., 2019,
            section 4); ``'softmax'`` of these; ``'softmax_lowres'``, which is up-sampled after the
            softmax, as FDA joins its bands (Yang and Soatto, 2020, section 3).
        data_preprocessor: Of members that have none in their config; mmengine's runner passes that
            of the config which the model is in.
        init_cfg: As in mmengine.

    Attributes:
        num_classes, out_channels, align_corners, decode_head: Of the first member.
        classes: Names of the classes in order, or ``None`` if no checkpoint says them.
        named_by: The checkpoint that says them.

    Predictions hold ``pred_sem_seg`` and ``seg_logits``: the mean, of probabilities its logarithm, so
    that its softmax are the probabilities.

    Raises:
        UserError: The members differ in their classes, a checkpoint does not fit its member,
            weights are wrong, or ``average`` is unknown or not to be had of a member.
    """

    classes: tuple[str, ...] | None = None
    named_by: str | None = None

    def __init__(
        self,
        members: Sequence[dict],
        checkpoints: Sequence[str] | None = None,
        weights: Sequence[float] | None = None,
        average: str = AVERAGES[0],
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if not members:
            raise UserError('SegmentorEnsemble: `members` is empty')
        if average not in AVERAGES:
            raise UserError(f'SegmentorEnsemble: average={average!r} is none of {list(AVERAGES)}')
        self.average, self.shares = average, _shares(weights, len(members))
        self.members = nn.ModuleList(
            MODELS.build(_segmentor(cfg, data_preprocessor)) for cfg in members
        )
        _require_alike(self.members, checkpoints)
        if checkpoints is not None:
            self.classes, self.named_by = _load(self.members, checkpoints)
        first = self.members[0]
        self.num_classes, self.out_channels = first.num_classes, first.out_channels
        self.align_corners = first.align_corners
        if self.out_channels == 1 and average != 'softmax':
            raise UserError(
                f'SegmentorEnsemble: average={average!r} needs two channels or more, but the heads '
                "have one (a sigmoid): take 'softmax', which averages the sigmoids"
            )
        if average == 'softmax_lowres':
            for member in self.members:
                _predict_probabilities(member)

    @property
    def decode_head(self) -> nn.Module:
        """The first member's."""
        return self.members[0].decode_head

    def test_step(self, data: dict) -> list[SegDataSample]:
        """Predict a batch as the loader collates it."""
        joint: list[Tensor] = []
        for share, member in zip(self.shares, self.members, strict=True):
            # Each has samples of its own, for what a member notes in them is of its own images.
            own = dict(data, data_samples=[each.new() for each in data['data_samples']])
            predicted = member.test_step(own)
            maps = [share * self._map(each.seg_logits.data) for each in predicted]
            joint = [sum(pair) for pair in zip(joint, maps, strict=True)] if joint else maps
        for sample, mean in zip(predicted, joint, strict=True):
            self._tell(sample, mean)
        return predicted

    val_step = test_step

    def forward(self, *_: Any, **__: Any) -> None:
        """Not for use: members prepare images differently, so there is no common input."""
        raise NotImplementedError('SegmentorEnsemble predicts by `test_step` alone')

    def _map(self, scores: Tensor) -> Tensor:
        """What is averaged, (C, H, W); mmseg has taken the sigmoid of a single channel itself."""
        if self.average == 'softmax' and self.out_channels > 1:
            return softmax_map(scores.unsqueeze(0)).squeeze(0)
        return scores.float()

    def _tell(self, sample: SegDataSample, mean: Tensor) -> None:
        """Put the common prediction in the place of a member's."""
        if self.out_channels == 1:
            labels = (mean > self.decode_head.threshold).to(mean)
        else:
            labels = mean.argmax(dim=0, keepdim=True)
            mean = mean if self.average == 'logits' else mean.clamp(min=_TINY).log()
        sample.set_data(dict(seg_logits=PixelData(data=mean), pred_sem_seg=PixelData(data=labels)))


def _shares(weights: Sequence[float] | None, members: int) -> list[float]:
    weights = [1.0] * members if weights is None else list(weights)
    if len(weights) != members:
        raise UserError(
            f'SegmentorEnsemble: {len(weights)} weights for {members} members (--weights): give one '
            'for each, or none'
        )
    total = sum(weights)
    if min(weights) < 0 or not 0 < total < math.inf:
        raise UserError(
            f'SegmentorEnsemble: weights={weights} (--weights) must not be negative, nor all of them 0'
        )
    return [weight / total for weight in weights]


def _segmentor(cfg: dict, preprocessor: dict | None) -> ConfigDict:
    """The config of what predicts, without what only trains."""
    cfg = ConfigDict(cfg)
    preprocessor = cfg.get('data_preprocessor') or preprocessor
    if isinstance(cfg.get('segmentor'), Mapping):
        cfg = ConfigDict(cfg.segmentor)
        preprocessor = preprocessor or cfg.get('data_preprocessor')
    if preprocessor is None:
        raise UserError(
            'SegmentorEnsemble: a member has no `data_preprocessor`, so it sees no images'
        )
    cfg.data_preprocessor = preprocessor
    if cfg.get('auxiliary_head') is not None:
        cfg.auxiliary_head = None
    return cfg


def _require_alike(members: Sequence[nn.Module], checkpoints: Sequence[str] | None) -> None:
    if checkpoints is not None and len(checkpoints) != len(members):
        raise UserError(
            f'SegmentorEnsemble: {len(checkpoints)} checkpoints for {len(members)} members'
        )
    for name in ('num_classes', 'out_channels'):
        found = [getattr(each, name, None) for each in members]
        if len(set(found)) > 1:
            raise UserError(
                f'SegmentorEnsemble: the members differ in {name}, {found}: only segmentors of the '
                'same classes have a mean'
            )


def _load(
    members: Sequence[nn.Module], checkpoints: Sequence[str]
) -> tuple[tuple[str, ...] | None, str | None]:
    """Load the weights of each; gives the classes that they are of, and the file that says it."""
    known: tuple[str, ...] | None = None
    named_by: str | None = None
    for member, file in zip(members, checkpoints, strict=True):
        loaded = load_part(member, file, _PREFIXES, 'segmentor')
        classes = classes_in(loaded)
        if classes is None:
            continue
        if known is None:
            known, named_by = classes, file
        elif classes != known:
            raise UserError(
                f'{file}: was trained on the classes {", ".join(classes)}, but {named_by} on '
                f'{", ".join(known)}: only segmentors of the same classes have a mean'
            )
    return known, named_by


def _predict_probabilities(segmentor: nn.Module) -> None:
    """Let a segmentor up-sample probabilities where it would up-sample logits."""
    require_dense(segmentor)
    head = segmentor.decode_head
    upsampled = head.predict_by_feat
    head.predict_by_feat = lambda logits, metas: upsampled(softmax_map(logits), metas)
