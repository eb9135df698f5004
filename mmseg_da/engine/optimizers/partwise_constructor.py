"""One optimizer per part of a phased model."""

import copy
from typing import NoReturn

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn
from torch.optim import Optimizer

from mmseg_da.engine.optimizers.cpu_amp import for_this_machine
from mmseg_da.errors import UserError
from mmseg_da.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS


class PartwiseOptimWrapper(OptimWrapperDict):
    """The optimizer wrappers of a phased model's parts, by name."""

    def initialize_count_status(self, model: nn.Module, cur_iter: int, max_iters: int) -> None:
        """Tell every wrapper the length of the run, so that a last partial group of accumulated
        gradients is not lost. mmengine's dict tells none.
        """
        for wrapper in self.values():
            wrapper.initialize_count_status(model, cur_iter, max_iters)

    def optim_context(self, model: nn.Module) -> NoReturn:
        """Asked for by a training step other than the phased one, as mmengine's own wrapper has.

        Raises:
            UserError: Always; names the wrapper that runs the phased step.
        """
        raise UserError(
            f'{type(model).__name__} runs one step for the whole model, but each part has an '
            'optimizer of its own and is trained in a phase of its own: set '
            "model_wrapper_cfg=dict(type='mmseg.PhasedDDP') for distributed training"
        )


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PartwiseOptimWrapperConstructor:
    """Builds one optimizer wrapper per part, checked against the model.

    Example::

        optim_wrapper = dict(
            constructor='PartwiseOptimWrapperConstructor',
            type='OptimWrapper',  # of every part: what --amp changes
            segmentor=dict(
                optimizer=dict(type='SGD', lr=2.5e-4),
                paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
            ),
            discriminators=dict(optimizer=dict(type='Adam', lr=1e-4)),
        )

    Args:
        optim_wrapper_cfg: A dict per part, each with ``optimizer`` and optionally
            ``paramwise_cfg``; everything beside them (``type``, ``accumulative_counts``,
            ``clip_grad``, ``loss_scale``, ...) goes to every part that does not set it itself.
        paramwise_cfg: Must be ``None``; give it per part.

    Raises:
        UserError: A part without optimizer, an optimizer without part, or a trainable parameter
            that belongs to no part.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if paramwise_cfg is not None:
            raise UserError('optim_wrapper.paramwise_cfg: give it per part, inside the part')
        self.parts = {
            key: value
            for key, value in optim_wrapper_cfg.items()
            if isinstance(value, dict) and 'optimizer' in value
        }
        self.shared = {
            key: value
            for key, value in optim_wrapper_cfg.items()
            if key not in self.parts and value is not None  # None drops a part of a base config
        }

    def __call__(self, model: nn.Module) -> PartwiseOptimWrapper:
        """Build the wrappers of ``model``, wrapped for distribution or not."""
        model = model.module if is_model_wrapper(model) else model
        if not hasattr(model, 'parts'):
            raise UserError(
                f'optim_wrapper: {type(model).__name__} has no parts; use an ordinary optim_wrapper '
                'without PartwiseOptimWrapperConstructor'
            )
        parts = model.parts()
        self._check(parts, model)
        return PartwiseOptimWrapper(
            **{name: self._build(name, part) for name, part in parts.items()}
        )

    def _check(self, parts: dict[str, nn.Module], model: nn.Module) -> None:
        if set(parts) != set(self.parts):
            raise UserError(
                f'optim_wrapper configures {sorted(self.parts)}, but this model trains '
                f'{sorted(parts)}: each part needs a dict of its name with `optimizer` in it'
            )
        covered = {id(p) for part in parts.values() for p in part.parameters()}
        stray = [
            name
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and id(parameter) not in covered
        ]
        if stray:
            raise UserError(
                f'no part covers {stray[0]} ({len(stray)} trainable parameters in all), so no '
                'optimizer would train it: make it part of a discriminator, or freeze it'
            )

    def _build(self, name: str, part: nn.Module) -> OptimWrapper:
        cfg = {**copy.deepcopy(self.shared), **copy.deepcopy(dict(self.parts[name]))}
        kind = cfg['optimizer'].get('type')
        if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
            raise UserError(f'optim_wrapper.{name}.optimizer: there is no optimizer {kind}')
        cfg.setdefault('type', 'OptimWrapper')
        paramwise = cfg.pop('paramwise_cfg', None)
        constructor = cfg.pop('constructor', 'DefaultOptimWrapperConstructor')
        built = OPTIM_WRAPPER_CONSTRUCTORS.build(
            dict(
                type=constructor,
                optim_wrapper_cfg=for_this_machine(cfg),
                paramwise_cfg=paramwise,
            )
        )(part)
        merge_groups(built.optimizer)
        if built.clip_grad_kwargs:
            built.grad_name = f'{name}.{built.grad_name}'  # or all parts log under one name
        return built


def wrappers_of(optim_wrapper: OptimWrapper | OptimWrapperDict) -> list[OptimWrapper]:
    """The wrappers of all parts, or the one of a model that has no parts."""
    several = isinstance(optim_wrapper, OptimWrapperDict)
    return list(optim_wrapper.values()) if several else [optim_wrapper]


def merge_groups(optimizer: Optimizer) -> None:
    """Join the parameter groups of equal settings, in place, before the first step.

    mmengine makes a group of every parameter where ``paramwise_cfg`` is given. Each group costs a
    call of the optimizer's kernels, and all of a schedule's arithmetic.
    """
    joined: dict[str, dict] = {}
    for group in optimizer.param_groups:
        settings = {key: value for key, value in group.items() if key != 'params'}
        into = joined.setdefault(repr(sorted(settings.items())), dict(settings, params=[]))
        into['params'] += group['params']
    optimizer.param_groups[:] = joined.values()
