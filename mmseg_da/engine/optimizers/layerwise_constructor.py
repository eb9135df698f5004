"""Learning rates by the depth of a layer."""

import re
from collections.abc import Mapping
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from mmseg_da.engine.class_sets import classifier_layers
from mmseg_da.engine.fitting import segmentor_of
from mmseg_da.engine.optimizers.partwise_constructor import merge_groups
from mmseg_da.errors import UserError
from mmseg_da.registry import OPTIM_WRAPPER_CONSTRUCTORS

_WHERE = 'optim_wrapper.paramwise_cfg.layerwise'
_KEYS = ('stages', 'decay', 'backbone', 'heads', 'conv_seg')
_LAYER = re.compile(r'layer(\d+)')
STEM = 'stem'


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerwiseOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, with a factor of the learning rate for each stage of the segmentor.

    For backbones of the ResNet kind, whose stages are ``layer1``, ``layer2``, ...; what comes before
    them is the ``stem``. Example, for 20 to 200 labelled images::

        optim_wrapper = dict(
            type='OptimWrapper',
            constructor='LayerwiseOptimWrapperConstructor',
            optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
            paramwise_cfg=dict(
                layerwise=dict(stages=dict(layer2=0.1, layer3=0.25, layer4=0.5), conv_seg=10.0)
            ),
        )

    ``paramwise_cfg.layerwise`` holds factors above 0 of the optimizer's ``lr``:

    * ``stages``: by stage of the backbone;
    * ``backbone``: of stages that are not named, 1 by default;
    * ``decay``: instead of these two. The last stage has this factor, each before it that of the next
      times ``decay``, the stem the lowest (Bao et al., BEiT, 2022, decay likewise by block);
    * ``heads``: of everything outside of the backbone, 1 by default;
    * ``conv_seg``: of the layers that give a score per class, that of ``heads`` by default.

    The other keys of ``paramwise_cfg`` work as in mmengine; factors multiply. Parameters of equal
    settings share a group. In an adaptor it is the ``constructor`` of the part ``segmentor``.

    Raises:
        UserError: ``layerwise`` is missing or has an unknown key or stage, a factor is not above 0,
            the optimizer names no ``lr``, or the backbone has no such stages.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer wrapper of a model, wrapped for distribution or not."""
        segmentor = segmentor_of(model)
        stages = _require(self.paramwise_cfg, self.base_lr, segmentor)
        cfg = self.paramwise_cfg['layerwise']
        heads = cfg.get('heads', 1.0)
        classifiers = classifier_layers(segmentor)
        self._factors = {}
        for name, parameter in segmentor.named_parameters():
            first, *rest = name.split('.')
            if first == 'backbone':
                factor = stages.get(rest[0], stages[STEM])
            else:
                factor = cfg.get('conv_seg', heads) if classifiers & set(rest) else heads
            self._factors[id(parameter)] = factor
        built = super().__call__(model)
        merge_groups(built.optimizer)
        return built

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs: Any
    ) -> None:
        """Add a group per parameter, as mmengine does, and apply the factors once all are there."""
        super().add_params(params, module, prefix=prefix, **kwargs)
        if prefix:
            return  # a child: mmengine comes back for the whole
        for group in params:
            (parameter,) = group['params']
            group['lr'] = group.get('lr', self.base_lr) * self._factors.get(id(parameter), 1.0)


def _require(
    paramwise: Mapping[str, Any], rate: float | None, segmentor: nn.Module
) -> dict[str, float]:
    """See that the settings can be applied; gives the factor of every stage of the backbone."""
    cfg = paramwise.get('layerwise')
    if not isinstance(cfg, Mapping) or not cfg:
        raise UserError(f'{_WHERE} is {cfg!r}, but has to be a dict of some of {", ".join(_KEYS)}')
    for key in cfg:
        if key not in _KEYS:
            raise UserError(f'{_WHERE} has {key!r}, but takes {", ".join(_KEYS)}')
    if rate is None:
        raise UserError(f'{_WHERE} multiplies optim_wrapper.optimizer.lr, which is not there')
    named = cfg.get('stages') or {}
    if not isinstance(named, Mapping):
        raise UserError(f'{_WHERE}.stages is {named!r}, but has to be a dict of factors by stage')
    factors = {key: value for key, value in cfg.items() if key != 'stages' and value is not None}
    for key, value in {
        **factors,
        **{f'stages.{key}': value for key, value in named.items()},
    }.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not value > 0:
            raise UserError(
                f'{_WHERE}.{key} is {value!r}, but has to be a number above 0. A factor of 0 would not '
                'freeze: use model.backbone.frozen_stages'
            )
    if 'decay' in factors and ('backbone' in factors or named):
        raise UserError(f'{_WHERE} has both `decay` and factors of stages: give one of them')
    return _by_stage(segmentor, named, factors)


def _by_stage(
    segmentor: nn.Module, named: Mapping[str, float], factors: Mapping[str, float]
) -> dict[str, float]:
    backbone = getattr(segmentor, 'backbone', None)
    children = [name for name, _ in backbone.named_children()] if backbone is not None else []
    layers = sorted(filter(_LAYER.fullmatch, children), key=lambda name: int(name[5:]))
    if not layers:
        raise UserError(
            f'{_WHERE}: {type(backbone).__name__} has no stages layer1, layer2, ...; it has '
            f'{", ".join(children) or "no modules"}. Use paramwise_cfg.custom_keys for it'
        )
    known = [STEM, *layers]
    unknown = [name for name in named if name not in known]
    if unknown:
        raise UserError(
            f'{_WHERE}.stages has {unknown[0]!r}, but the stages of {type(backbone).__name__} are '
            f'{", ".join(known)}'
        )
    if 'decay' in factors:
        return {name: factors['decay'] ** (len(known) - at) for at, name in enumerate(known)}
    return {name: named.get(name, factors.get('backbone', 1.0)) for name in known}
