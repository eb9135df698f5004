"""Make the target's outputs look like the source's, judged by a discriminator."""

from collections.abc import Sequence

import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import (
    SOURCE,
    domain_accuracy,
    domain_loss,
    self_information_map,
    softmax_map,
    upsampled_scores,
)
from mmseg_da.functional.adversarial import DOMAIN_LABELS, KINDS
from mmseg_da.models.objectives.base import Objective, require_head
from mmseg_da.registry import MODELS
from mmseg_da.structures import Dense, Step, View

_SCORES = dict(logits=lambda logits: logits, softmax=softmax_map, entropy=self_information_map)


@MODELS.register_module()
class OutputAlignment(Objective):
    """Adversarial alignment of one head's output or of one feature level.

    ``of='softmax'`` is AdaptSegNet (Tsai et al., 2018, sections 3.2 and 4), ``of='entropy'`` is
    AdvEnt (Vu et al., 2019, section 3.2), ``of='features'`` the feature-space baseline of the
    former. The segmentor's loss is ``loss_weight * l(D(target), source)``; the discriminator's is
    ``(l(D(source), source) + l(D(target), target)) / 2`` on detached outputs, all taken before the
    segmentor moves. The log also has the share of each domain's verdicts that are right.

    Args:
        discriminator: Config of the rival; ``in_channels`` is filled in.
        head: Which head's scores it sees: ``'decode'``, ``'aux'``, ``'aux_0'``, ...
        of: What it sees: ``'softmax'``, ``'logits'``, ``'entropy'`` or ``'features'``.
        level: Which feature level it sees, with ``of='features'``.
        resize: ``'image'`` up-samples its input to the image, ``None`` leaves it. ``'auto'``
            up-samples score maps alone: 2048 channels at image size would cost gigabytes.
        kind: ``'vanilla'`` or ``'lsgan'``.
        loss_weight: Weight of the segmentor's loss; the rival's is not weighted.
    """

    views = ('target',)
    judges_apart = True

    def __init__(
        self,
        discriminator: dict,
        head: str = 'decode',
        of: str = 'softmax',
        level: int = -1,
        resize: str | None = 'auto',
        kind: str = 'vanilla',
        loss_weight: float = 1e-3,
    ) -> None:
        super().__init__(loss_weight)
        if of not in (*_SCORES, 'features'):
            raise UserError(f'OutputAlignment: of={of!r} is none of {[*_SCORES, "features"]}')
        if resize not in ('auto', 'image', None):
            raise UserError(f"OutputAlignment: resize={resize!r} is neither 'image' nor None")
        if kind not in KINDS:
            raise UserError(f'OutputAlignment: kind={kind!r} is none of {list(KINDS)}')
        self.head, self.of, self.level, self.kind = head, of, level, kind
        self.rival_sees_feats = of == 'features'
        if resize == 'auto':
            resize = None if of == 'features' else 'image'
        self.resize = resize
        self._discriminator_cfg = dict(discriminator)

    def attach(self, segmentor: EncoderDecoder) -> None:
        """Build the discriminator for this segmentor's number of classes or channels."""
        head = require_head(segmentor, self.head, 'OutputAlignment')
        if self.of in ('softmax', 'entropy') and head.out_channels == 1:
            raise UserError(
                f'OutputAlignment: of={self.of!r} needs two channels or more, but the {self.head} head '
                "has one (a sigmoid): set its out_channels=2, or use of='logits'"
            )
        cfg = dict(self._discriminator_cfg)
        if self.of != 'features':
            cfg.setdefault('in_channels', head.out_channels)
        elif 'in_channels' not in cfg:
            raise UserError(
                'OutputAlignment: of="features" needs discriminator=dict(in_channels=...), the '
                f'channels of feature level {self.level}'
            )
        self.discriminator = MODELS.build(cfg)
        self.align_corners = head.align_corners

    def losses(self, step: Step) -> dict[str, Tensor]:
        seen = self._seen(step.target, step.target.dense)
        step.target.derived[self] = seen.detach()  # the rival's graph holds these values anyway
        fooled = domain_loss(self._verdict(seen), SOURCE, self.kind)
        return dict(loss_fool=self.loss_weight * fooled)

    def discriminator_losses(
        self, step: Step, domains: Sequence[str] = tuple(DOMAIN_LABELS)
    ) -> dict[str, Tensor]:
        losses = {}
        for name in domains:
            verdict = self._verdict_on_values(getattr(step, name))
            label = DOMAIN_LABELS[name]
            losses[f'loss_{name}'] = 0.5 * domain_loss(verdict, label, self.kind)
            losses[f'accuracy_{name}'] = domain_accuracy(verdict, label, self.kind)
        return losses

    def _seen(self, view: View, dense: Dense) -> Tensor:
        """What the discriminator looks at."""
        size = view.images.shape[-2:] if self.resize == 'image' else None
        if self.of == 'features':
            feats = dense.feats[self.level]
            if size is None:
                return feats
            return F.interpolate(feats, size, mode='bilinear', align_corners=self.align_corners)
        scores = dense.logits[self.head]
        if size is not None:
            scores = upsampled_scores(scores, size, self.align_corners)
        return _SCORES[self.of](scores)

    def _verdict_on_values(self, view: View) -> Tensor:
        """Without a gradient for the segmentor, on what :meth:`losses` has kept if it ran."""
        kept = view.derived.pop(self, None)
        return self._verdict(self._seen(view, view.detached) if kept is None else kept)

    def _verdict(self, seen: Tensor) -> Tensor:
        try:
            return self.discriminator(seen)
        except RuntimeError as error:
            if "can't be greater than actual input size" not in str(error):
                raise
        height, width = seen.shape[-2:]
        raise UserError(
            f'OutputAlignment: {type(self.discriminator).__name__} halves its input more often than '
            f'the {height}x{width} it gets allow: give it fewer num_convs, or crop bigger images'
        )
