"""The translator that a config describes, with the weights of a checkpoint."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from torch import nn

from mmseg_da.engine import launch
from mmseg_da.engine.fitting import weights_of
from mmseg_da.engine.stages import split
from mmseg_da.errors import UserError
from mmseg_da.models.translators import CycleTranslator, FrozenTranslator
from mmseg_da.models.translators.frozen import DIRECTIONS
from mmseg_da.registry import MODELS

_PAIR, _FROZEN = 'generators.', 'translator.generator.'


def load_translator(
    cfg: Config, checkpoint: str, direction: str | None = None
) -> tuple[FrozenTranslator, str]:
    """Build the trained generator of a config as a translator, on the CPU.

    Args:
        cfg: Its model, or that of one of its stages, is a :class:`CycleTranslator` or has a
            ``translator`` of type :class:`FrozenTranslator`, whose ``scale`` is taken, too.
        checkpoint: File or address of a checkpoint of that training, or of the generator alone.
        direction: ``'source_to_target'`` or ``'target_to_source'``; ``None`` takes that of
            ``model.translator``, else the first.

    Returns:
        The translator and its direction.

    Raises:
        UserError: The config has no generator, the checkpoint cannot be read, or holds none, one
            for the other direction alone, or another network.
    """
    pairs, frozen = _descriptions(cfg)
    if not pairs and not frozen:
        raise UserError(
            f'{cfg.filename}: no generator: neither its model nor that of a stage is a '
            'CycleTranslator or has a translator=dict(type="FrozenTranslator", ...)'
        )
    own = frozen[0].get('direction', DIRECTIONS[0]) if frozen else None
    direction = direction or own or DIRECTIONS[0]
    names = weights_of(CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu'))
    of_one = any(each.startswith(_FROZEN) for each in names)
    if of_one and not frozen:
        raise UserError(
            f'{checkpoint}: holds the one generator of a model.translator, which {cfg.filename} does '
            'not have: give the config that it was trained with'
        )
    if of_one and own != direction:
        raise UserError(
            f'{checkpoint}: holds the generator {own} alone, not {direction}: give the checkpoint '
            'of the stage that trained both'
        )
    described = (frozen or pairs) if of_one else (pairs or frozen)
    scale = frozen[0].get('scale', 1.0) if frozen else 1.0
    with launch.config_errors(cfg):
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        translator = FrozenTranslator(described[0]['generator'], checkpoint, direction, scale)
    translator.init_weights()
    return translator.eval(), direction


def fingerprint(network: nn.Module) -> str:
    """A name of a network's weights, which another network does not have."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        value = value.detach().cpu().contiguous()
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _descriptions(cfg: Config) -> tuple[list[Mapping], list[Mapping]]:
    """The models that train two generators, and the translators that hold one."""
    pairs, frozen = [], []
    for model in _models(cfg):
        if _is_a(model, CycleTranslator):
            pairs.append(model)
        elif _is_a(model.get('translator'), FrozenTranslator):
            frozen.append(model['translator'])
    for each in (*pairs, *frozen):
        if not isinstance(each.get('generator'), Mapping):
            raise UserError(f'{cfg.filename}: {each["type"]} has no generator=dict(type=...)')
    return pairs, frozen


def _models(cfg: Config) -> Iterator[Mapping]:
    """The models of the stages, in order, and of the config itself."""
    stages = []
    if cfg.get('stages'):
        cfg.setdefault('work_dir', '.')  # of which a stage's is made; nothing is written there
        stages = [stage.cfg for stage in split(cfg)]
    for each in (*stages, cfg):
        if isinstance(each.get('model'), Mapping):
            yield each.model


def _is_a(model: Any, kind: type) -> bool:
    named = model.get('type') if isinstance(model, Mapping) else None
    found = MODELS.get(named) if isinstance(named, str) else named
    return isinstance(found, type) and issubclass(found, kind)
