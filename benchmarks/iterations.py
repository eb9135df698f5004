"""Builds both sides of an iteration that ``step_time.py`` measures, from the same weights."""

import copy
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from method_parts import CLASSES, Literal
from methods import METHODS
from mmengine.config import Config
from mmengine.logging import MMLogger
from networks import SEGMENTORS

from mmseg_da.models.phased import PhasedModel
from mmseg_da.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS

Sizes = tuple[tuple[int, int], tuple[int, int]]


@dataclass
class Pair:
    """The product and the plain iteration, from the same weights."""

    model: PhasedModel
    wrappers: Any
    literal: Literal
    literal_model: PhasedModel

    def product_step(self, batch: dict) -> None:
        """One iteration of the product."""
        self.model.train_step(batch, self.wrappers)

    def literal_step(self, batch: dict) -> None:
        """One iteration in plain torch."""
        self.literal.step(batch)

    def largest_gap(self) -> float:
        """The largest difference of the trained networks, relative to values above one."""
        return max(
            ((one[key] - other[key]).abs().max() / other[key].abs().max().clamp(min=1)).item()
            for one, other in _states(self.model, self.literal_model)
            for key in one
            if one[key].is_floating_point()
        )


def _states(*models: PhasedModel) -> Iterable[tuple[dict, ...]]:
    """The states of each part; pools and the like are kept in other ways on the two sides."""
    parts = [model.parts() for model in models]
    return [tuple(each[name].state_dict() for each in parts) for name in parts[0]]


def rows(methods: Iterable[str], segmentors: Iterable[str]) -> list[tuple[str, str | None]]:
    """The pairs of method and segmentor that can run; without a segmentor where none is needed."""
    segmentors = list(segmentors)
    found = []
    for method in methods:
        fitting = [each for each in segmentors if can_run(method, each)]
        found += [(method, each) for each in (fitting if METHODS[method].heads else [None])]
    return found


def can_run(method: str, segmentor: str) -> bool:
    """Whether the network has the heads that the method needs, and the method takes it."""
    if segmentor in METHODS[method].unfit:
        return False
    has_aux = 'auxiliary_head' in SEGMENTORS[segmentor]()
    return has_aux or 'aux' not in METHODS[method].heads


def build_pair(
    method: str,
    segmentor: str | None,
    sizes: Sizes,
    seed: int,
    dtype: torch.dtype = torch.float32,
) -> Pair:
    """Build both sides.

    Args:
        method: A key of :data:`methods.METHODS`.
        segmentor: A key of :data:`networks.SEGMENTORS`, or ``None`` for a method without one.
        sizes: (height, width) of source and of target images.
        seed: Of the initial weights.
        dtype: Of the weights.
    """
    MMLogger.get_instance('mmengine', log_level='ERROR').setLevel(logging.ERROR)
    torch.manual_seed(seed)
    chosen = METHODS[method]
    cfg = chosen.model(None if segmentor is None else SEGMENTORS[segmentor]())
    for domain, size in zip(('source', 'target'), sizes, strict=True):
        cfg['data_preprocessor'][domain] = dict(size=size)
    model: PhasedModel = MODELS.build(Config(dict(model=cfg)).model).to(dtype)
    model.init_weights()
    if hasattr(model, 'name_classes'):
        model.name_classes(CLASSES)
    model.train()
    clone = copy.deepcopy(model)
    wrappers = _build_wrappers(model, chosen.optimizers())
    return Pair(model, wrappers, chosen.literal(clone), clone)


def _build_wrappers(model: PhasedModel, cfg: dict) -> Any:
    constructor = cfg.pop('constructor')
    return OPTIM_WRAPPER_CONSTRUCTORS.build(dict(type=constructor, optim_wrapper_cfg=cfg))(model)
