"""Small CycleTranslators, and the literal iteration from the same weights."""

import copy
from typing import Any

import torch
from builders import build_wrappers
from literal import LiteralCycleGAN

from mmseg_da.models import CycleTranslator
from mmseg_da.registry import MODELS
from mmseg_da.testing import toy_preprocessor, toy_pspnet

GENERATOR = dict(type='ResnetGenerator', blocks=1, channels=4)
DISCRIMINATOR = dict(type='PatchDiscriminator', channels=4, layers=1)
LR = 2e-4


def unit_range() -> dict:
    """The toy preprocessor, to [-1, 1]."""
    return toy_preprocessor() | dict(mean=[127.5] * 3, std=[127.5] * 3)


def semantics(**settings: Any) -> dict:
    """Arguments of the semantic terms, with group norm: no statistics to compare."""
    return dict(segmentor=toy_pspnet('GN'), data_preprocessor=toy_preprocessor()) | settings


def build_translator(**settings: Any) -> CycleTranslator:
    torch.manual_seed(0)
    cfg = dict(type='CycleTranslator', generator=GENERATOR, discriminator=DISCRIMINATOR)
    model = MODELS.build(cfg | dict(data_preprocessor=unit_range(), pool_size=3) | settings)
    model.init_weights()
    model.train()
    return model


def build_cycle_wrappers(model: CycleTranslator, **shared: Any):
    adam = dict(optimizer=dict(type='Adam', lr=LR, betas=(0.5, 0.999)))
    cfg = dict(constructor='PartwiseOptimWrapperConstructor', type='OptimWrapper', **shared)
    return build_wrappers(model, cfg | dict.fromkeys(model.parts(), adam))


def build_literal(model: CycleTranslator, **settings: Any):
    """The literal iteration on a copy of a model's networks; gives both."""
    clone = copy.deepcopy(model)
    see = clone.semantics.logits if clone.semantics is not None else None
    literal = LiteralCycleGAN(
        clone.generators['source_to_target'],
        clone.generators['target_to_source'],
        clone.discriminators['target'],
        clone.discriminators['source'],
        pool_size=clone.pools['source'].size,
        see=see,
        lr=LR,
        **settings,
    )
    return literal, clone
