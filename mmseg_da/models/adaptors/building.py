"""What an adaptor is put together from, built with the words of the config for what does not fit."""

from collections.abc import Iterable, Mapping

import torch
from mmengine.model import ModuleDict
from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.models.data_preprocessor import DOMAINS
from mmseg_da.models.objectives import Objective
from mmseg_da.models.objectives.taught import TaughtObjective
from mmseg_da.models.translators import Translator
from mmseg_da.registry import MODELS

_KINDS = 16  # more than there are salts


def build_objectives(objectives: dict[str, dict | None], segmentor: nn.Module) -> ModuleDict:
    """Build the objectives that are not dropped, and attach them.

    Raises:
        UserError: There is none, a name does not do, or one is no ``Objective``.
    """
    chosen = {name: cfg for name, cfg in objectives.items() if cfg is not None}
    if not chosen:
        raise UserError('model.objectives is empty: at least SourceSupervision is needed')
    for name in chosen:
        if 'loss' in name:
            raise UserError(
                f'model.objectives.{name}: a name must not contain "loss", because mmengine sums '
                'every logged value whose name does. Rename it.'
            )
        if '.' in name or hasattr(ModuleDict(), name):
            raise UserError(
                f'model.objectives.{name}: torch does not take this name for a module. Rename it.'
            )
    built = {name: _build_objective(name, cfg) for name, cfg in chosen.items()}
    for objective in built.values():
        objective.attach(segmentor)
    _draw_apart(built.values())
    return ModuleDict(built)


def _draw_apart(objectives: Iterable[Objective]) -> None:
    """Have objectives of one kind draw different numbers; the first draws as it would alone."""
    taken: set[int] = set()
    for objective in objectives:
        if isinstance(objective, TaughtObjective):
            while objective.salt in taken:
                objective.salt += _KINDS
            taken.add(objective.salt)


def require_teacher(objectives: ModuleDict, teacher: nn.Module | None) -> None:
    """Check that objectives that learn from a teacher have one.

    Raises:
        UserError: There is none; names the objective.
    """
    for name, objective in objectives.items():
        if objective.needs_teacher and teacher is None:
            raise UserError(
                f'model.objectives.{name}: {type(objective).__name__} learns from a teacher, but the '
                'model has none: set model.teacher=dict(alpha=0.999)'
            )


def require_one_look(objectives: ModuleDict, preprocessor: nn.Module) -> None:
    """Check that domains are normalised alike where an objective ``joins_domains``.

    Raises:
        UserError: They are not; names the objective.
    """
    source, target = (preprocessor.domains[name] for name in DOMAINS)
    if torch.equal(source.mean, target.mean) and torch.equal(source.std, target.std):
        return
    for name, objective in objectives.items():
        if objective.joins_domains:
            raise UserError(
                f'model.objectives.{name}: {type(objective).__name__} mixes or changes source images as '
                "the target's are normalised, but model.data_preprocessor normalises them differently: "
                'give source and target one mean and std'
            )


def _build_objective(name: str, cfg: dict) -> Objective:
    if 'type' not in cfg:
        raise UserError(f'model.objectives.{name}: `type` is missing')
    built = MODELS.build(cfg)
    if not isinstance(built, Objective):
        raise UserError(f'model.objectives.{name}: {cfg["type"]} is not an Objective')
    return built


def build_translator(cfg: dict | None) -> Translator | None:
    """Build the translator, if there is one.

    Raises:
        UserError: It is no ``Translator``.
    """
    if cfg is None:
        return None
    built = MODELS.build(cfg)
    if not isinstance(built, Translator):
        raise UserError(f'model.translator: {cfg.get("type")} is not a Translator')
    return built


def preprocessor_for(given: dict | None, own: dict | None) -> dict | None:
    """The preprocessor config of an adaptor.

    Args:
        given: Its own. Where a config has none, a ``Runner`` puts the one of the config's top level
            here, which stock mmseg configs have: then the segmentor's comes first.
        own: The segmentor's, for one domain.
    """
    return given if given and not _is_plain(given) else _for_domains(own or given)


def _is_plain(cfg: dict) -> bool:
    names = ('SegDataPreProcessor', 'mmseg.SegDataPreProcessor')
    return isinstance(cfg, Mapping) and cfg.get('type') in names


def _for_domains(plain: dict | None) -> dict | None:
    """The preprocessor config of a plain segmentor, for both domains."""
    if not isinstance(plain, Mapping):
        return plain
    if not _is_plain(plain):
        return dict(plain)  # the user's own kind: it is told that it knows one domain
    return dict(plain, type='DomainPreprocessor')
