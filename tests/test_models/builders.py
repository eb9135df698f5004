"""Adaptors in the state in which a Runner would train them."""

import copy
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn

from mmseg_da.models import DomainAdaptor
from mmseg_da.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmseg_da.testing import toy_adaptor, toy_alignment, toy_batch, toy_optim_wrapper, toy_pspnet

SUPERVISION = dict(type='SourceSupervision')


def build_adaptor(
    objectives: dict, segmentor: dict | None = None, seed: int = 0, **others: Any
) -> DomainAdaptor:
    """An adaptor with initial weights of this seed, in training mode."""
    torch.manual_seed(seed)
    cfg = Config(dict(model=toy_adaptor(segmentor or toy_pspnet(), objectives, **others)))
    adaptor = MODELS.build(cfg.model)
    adaptor.init_weights()
    adaptor.train()
    return adaptor


def build_wrappers(adaptor: nn.Module, cfg: dict | None = None) -> OptimWrapperDict:
    """The optimizer wrappers of an adaptor, as a Runner builds them."""
    cfg = copy.deepcopy(cfg or toy_optim_wrapper(rivals='discriminators' in adaptor.parts()))
    paramwise = cfg.pop('paramwise_cfg', None)
    constructor = cfg.pop('constructor', 'DefaultOptimWrapperConstructor')
    return OPTIM_WRAPPER_CONSTRUCTORS.build(
        dict(type=constructor, optim_wrapper_cfg=cfg, paramwise_cfg=paramwise)
    )(adaptor)


def adaptsegnet(**settings: Any) -> dict:
    """The objectives of AdaptSegNet with two levels, as an adaptor takes them."""
    return dict(
        seg=SUPERVISION,
        adv_aux=toy_alignment(head='aux', loss_weight=0.05) | settings,
        adv_decode=toy_alignment() | settings,
    )


def train(adaptor: nn.Module, wrappers: Any, steps: int = 1, **batch: Any) -> list[dict]:
    """Train on a new batch each step; give what is logged."""
    return [adaptor.train_step(toy_batch(seed=i, **batch), wrappers) for i in range(steps)]


def state_gap(ours: nn.Module | dict, theirs: nn.Module | dict) -> float:
    """The largest difference between two states of equal keys, parameters and buffers."""
    ours, theirs = (x.state_dict() if isinstance(x, nn.Module) else x for x in (ours, theirs))
    assert list(ours) == list(theirs)
    return max((gap(ours[key], theirs[key]) for key in ours), default=0.0)


def gap(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference of two tensors of equal shape, relative to values above one."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if not ours.numel():
        return 0.0
    ours, theirs = ours.double(), theirs.double()
    return ((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1)).item()


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy of the parameters and buffers of a module."""
    return {key: value.clone() for key, value in module.state_dict().items()}
