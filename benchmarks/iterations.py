"""What ``step_time.py`` compares: each method as the product trains it and in plain torch.

A further method is one entry of :data:`METHODS`, a further network one of :data:`SEGMENTORS`.
"""

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from literal import LiteralAdaptSegNet, LiteralSourceOnly
from mmengine.config import Config
from mmengine.logging import MMLogger
from torch import nn

from mmseg_da.models import DomainAdaptor
from mmseg_da.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmseg_da.structures import heads_of
from mmseg_da.testing import (
    toy_adaptor,
    toy_alignment,
    toy_optim_wrapper,
    toy_pspnet,
    toy_segformer,
)

MODEL_CONFIGS = Path(__file__).resolve().parents[1] / 'configs' / '_base_' / 'models'
LR = 1e-4  # small: a toy of random weights must not diverge, because infinities take other times
SUPERVISION = dict(type='SourceSupervision')


class Literal(Protocol):
    """A training iteration in plain torch."""

    def step(self, batch: dict) -> dict[str, float]:
        """Train on one collated batch."""


@dataclass(frozen=True)
class Method:
    """One row of the benchmark.

    Attributes:
        objectives: Makes the config of the product's objectives.
        literal: Makes the plain iteration from the networks of an adaptor and shared settings
            (``aux_weight``, ``align_corners``, ``lr``).
        heads: The heads that it needs.
    """

    objectives: Callable[[], dict]
    literal: Callable[..., Literal]
    heads: tuple[str, ...] = ('decode',)


def _literal_adaptsegnet(adaptor: DomainAdaptor, **shared: Any) -> LiteralAdaptSegNet:
    levels = {
        each.head: each for each in adaptor.objectives.values() if each.discriminator is not None
    }
    return LiteralAdaptSegNet(
        adaptor.segmentor,
        {name: each.discriminator for name, each in levels.items()},
        {name: each.loss_weight for name, each in levels.items()},
        **shared,
    )


METHODS = dict(
    source_only=Method(
        objectives=lambda: dict(seg=SUPERVISION),
        literal=lambda adaptor, **shared: LiteralSourceOnly(adaptor.segmentor, **shared),
    ),
    adaptsegnet_single=Method(
        objectives=lambda: dict(seg=SUPERVISION, adv_decode=toy_alignment()),
        literal=_literal_adaptsegnet,
    ),
    adaptsegnet_multi=Method(
        objectives=lambda: dict(
            seg=SUPERVISION, adv_aux=toy_alignment(head='aux'), adv_decode=toy_alignment()
        ),
        literal=_literal_adaptsegnet,
        heads=('decode', 'aux'),
    ),
)


def deeplabv2(base_channels: int = 64, depth: int = 101) -> dict:
    """AdaptSegNet's DeepLabV2 with random weights, its backbone as wide and deep as asked."""
    model = Config.fromfile(MODEL_CONFIGS / 'deeplabv2_r101.py').model.to_dict()
    model['backbone'].pop('init_cfg')
    model['backbone'].update(base_channels=base_channels, stem_channels=base_channels, depth=depth)
    for head in (model['decode_head'], model['auxiliary_head']):
        head['in_channels'] = head['in_channels'] * base_channels // 64
    return model


SEGMENTORS = dict(
    pspnet=toy_pspnet,
    segformer=toy_segformer,
    deeplabv2=lambda: deeplabv2(base_channels=16, depth=50),
    deeplabv2_r101=deeplabv2,
)
DEFAULT_SEGMENTORS = ('pspnet', 'segformer', 'deeplabv2')


@dataclass
class Pair:
    """The product and the plain iteration, from the same weights."""

    adaptor: DomainAdaptor
    wrappers: Any
    literal: Literal
    literal_model: nn.Module

    def product_step(self, batch: dict) -> None:
        """One iteration of the product."""
        self.adaptor.train_step(batch, self.wrappers)

    def literal_step(self, batch: dict) -> None:
        """One iteration in plain torch."""
        self.literal.step(batch)

    def largest_gap(self) -> float:
        """The largest difference of the two states, relative to values above one."""
        ours, theirs = self.adaptor.state_dict(), self.literal_model.state_dict()
        return max(
            ((ours[key] - theirs[key]).abs().max() / theirs[key].abs().max().clamp(min=1)).item()
            for key in ours
            if ours[key].is_floating_point()
        )


def can_run(method: str, segmentor: str) -> bool:
    """Whether the network has the heads that the method needs."""
    has_aux = 'auxiliary_head' in SEGMENTORS[segmentor]()
    return has_aux or 'aux' not in METHODS[method].heads


def build_pair(
    method: str,
    segmentor: str,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    seed: int,
    dtype: torch.dtype = torch.float32,
) -> Pair:
    """Build both sides.

    Args:
        method: A key of :data:`METHODS`.
        segmentor: A key of :data:`SEGMENTORS`.
        sizes: (height, width) of source and of target images.
        seed: Of the initial weights.
        dtype: Of the weights.
    """
    MMLogger.get_instance('mmengine', log_level='ERROR').setLevel(logging.ERROR)
    torch.manual_seed(seed)
    cfg = toy_adaptor(SEGMENTORS[segmentor](), METHODS[method].objectives())
    for domain, size in zip(('source', 'target'), sizes, strict=True):
        cfg['data_preprocessor'][domain] = dict(size=size)
    adaptor: DomainAdaptor = MODELS.build(Config(dict(model=cfg)).model).to(dtype)
    adaptor.init_weights()
    adaptor.train()
    clone = copy.deepcopy(adaptor)
    head = clone.segmentor.decode_head
    aux = heads_of(clone.segmentor).get('aux')
    literal = METHODS[method].literal(
        clone,
        aux_weight=aux.loss_decode.loss_weight if aux is not None else 0.0,
        align_corners=head.align_corners,
        lr=LR,
    )
    return Pair(adaptor, _build_wrappers(adaptor), literal, clone)


def _build_wrappers(adaptor: DomainAdaptor) -> Any:
    cfg = toy_optim_wrapper(rivals='discriminators' in adaptor.parts())
    cfg['segmentor']['optimizer'] = cfg['segmentor']['optimizer'] | dict(lr=LR)
    constructor = cfg.pop('constructor')
    return OPTIM_WRAPPER_CONSTRUCTORS.build(dict(type=constructor, optim_wrapper_cfg=cfg))(adaptor)
