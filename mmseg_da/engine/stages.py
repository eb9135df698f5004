"""A training of several stages, as a list of ordinary configs."""

import copy
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmseg_da.datasets.outputs import write_atomically
from mmseg_da.engine.checkpoints import newest_first
from mmseg_da.engine.rounds import expand_rounds
from mmseg_da.engine.stage_kinds import GIVEN, LABEL, SETTINGS, TRAIN, kind_of, require_known
from mmseg_da.errors import UserError

REFERENCE = 'stage:'
"""``'stage:NAME'`` in a stage's config stands for the final checkpoint of an earlier stage."""

_OWN_KEYS = ('stages', 'stage', 'rounds', 'runner_type')
_REFERRING = ('model', 'load_from', 'train_dataloader', 'custom_hooks')  # others hold variables
_DONE = 'stage_done'
_ASIDE = ('labels', 'predictions', 'settings.json', 'thresholds.json', 'metrics.json')


@dataclass(frozen=True)
class TrainingStage:
    """One stage.

    Attributes:
        name: Its key in ``stages``, and the name of its folder.
        cfg: Its whole config; references are not resolved yet. What a stage is told that trains
            nothing lies below the name of its kind.
        given: The checkpoint, or folder of labels, that the config gives instead of running it.
        kind: ``'train'``; ``'pseudo_labels'`` predicts labels of the target's training images;
            ``'evaluate'`` tests the mean of several networks.
    """

    name: str
    cfg: Config
    given: str | None = None
    kind: str = TRAIN

    @property
    def folder(self) -> Path:
        """Where it writes."""
        return Path(self.cfg.work_dir)

    @property
    def iterations(self) -> int:
        """How long it trains."""
        return self.cfg.train_cfg.max_iters if self.kind == TRAIN else 0

    @property
    def result(self) -> str | None:
        """Its final checkpoint, labels or metrics, or ``None`` if it has not ended."""
        if self.given is not None:
            return self.given
        note = self.folder / _DONE
        if not note.is_file():
            return None
        final = self.folder / note.read_text().strip()
        return str(final) if final.exists() else None

    def finish(self, result: Path) -> None:
        """Note which checkpoint or other file of its folder the stage ended with."""
        write_atomically(self.folder / _DONE, result.name.encode())

    def forget(self) -> None:
        """Set aside what an earlier run left, so that a resume cannot take it for its own.

        Its checkpoints and labels go to ``earlier_1``, ``earlier_2``, ... in the stage's folder.
        """
        (self.folder / _DONE).unlink(missing_ok=True)
        (self.folder / 'last_checkpoint').unlink(missing_ok=True)
        others = [path for name in _ASIDE if (path := self.folder / name).exists()]
        left = [*newest_first(self.folder), *others]
        if not left:
            return
        numbers = (self.folder / f'earlier_{number}' for number in itertools.count(1))
        aside = next(folder for folder in numbers if not folder.exists())
        aside.mkdir()
        for each in left:
            os.replace(each, aside / each.name)


def split(cfg: Config) -> list[TrainingStage]:
    """The stages of a config, in order.

    ``cfg.stages`` holds, by name, what each stage changes in the rest of the config, merged as
    mmengine merges a child into its base (``_delete_=True`` replaces a dict). ``None`` drops a
    stage; ``checkpoint='file.pth'`` in one takes that file instead of training it, and
    ``labels='folder'`` those labels instead of predicting them. ``kind`` says what a stage does.

    Raises:
        UserError: There is no stage, one is no dict, does not fit the rest, is of no known kind, has
            no length, or refers to one that does not come before it.
    """
    stages = []
    if cfg.get('rounds') is not None:  # read by another tool than ours
        cfg = copy.deepcopy(cfg)
        expand_rounds(cfg)
    named = cfg.get('stages') or {}
    for name, changes in named.items():
        if changes is None:
            continue
        if not isinstance(changes, Mapping):
            raise UserError(
                f'{cfg.filename}: stages.{name} is {changes!r}, but has to be a dict of what the stage '
                'changes, or None to leave the stage out'
            )
        changes = copy.deepcopy(changes.to_dict() if hasattr(changes, 'to_dict') else changes)
        kind = kind_of(cfg, name, changes)
        given = changes.pop(GIVEN[kind], None)
        settings = {key: changes.pop(key) for key in SETTINGS[kind] if key in changes}
        if kind != TRAIN:
            require_known(cfg, name, kind, changes)
            changes[kind] = settings | dict(members=_members(settings.get('members'), named))
        own = Config(
            {key: value for key, value in cfg.to_dict().items() if key not in _OWN_KEYS},
            filename=cfg.filename,
        )
        try:
            own.merge_from_dict(dict(changes, runner_type='DomainAdaptationRunner'))
        except (TypeError, KeyError) as error:  # a dict on what is none
            raise UserError(
                f'{cfg.filename}: stages.{name} does not fit the config: {error}'
            ) from error
        own.work_dir = str(Path(cfg.work_dir, name))
        stages.append(TrainingStage(name, own, given, kind))
    if not stages:
        raise UserError(f'{cfg.filename}: `stages` is empty: nothing to train')
    _check(cfg, stages)
    return stages


def _members(members: Any, stages: Mapping[str, Any]) -> list:
    """Members of a stage that trains nothing: ``stage:NAME`` for stages, others are files."""
    members = [members] if isinstance(members, str) else list(members or ())
    return [REFERENCE + each if each in stages else each for each in members]


def chosen(cfg: Config, stages: list[TrainingStage]) -> list[TrainingStage]:
    """The stages to run: all, or the one that ``cfg.stage`` names.

    Raises:
        UserError: There is no such stage, or it is not to be trained, or none is; a checkpoint that
            is given is not there.
    """
    todo = _named(cfg, stages)
    read = _read_already(todo) if cfg.get('resume') else ()
    for stage in stages:
        if stage.given is None or '://' in stage.given or stage.name in read:
            continue
        key = f'stages.{stage.name}.{GIVEN[stage.kind]}'
        if stage.kind == TRAIN and not Path(stage.given).is_file():
            raise UserError(
                f'{cfg.filename}: {key}: {stage.given}: no such file. Name one: --cfg-options '
                f'{key}=FILE.pth'
            )
        if stage.kind == LABEL and not Path(stage.given).is_dir():
            raise UserError(
                f'{cfg.filename}: {key}: {stage.given}: no such folder. Name one: --cfg-options '
                f'{key}=FOLDER'
            )
    return todo


def _named(cfg: Config, stages: list[TrainingStage]) -> list[TrainingStage]:
    name = cfg.get('stage')
    if name is None:
        ours = [stage for stage in stages if stage.given is None]
        if not ours:
            raise UserError(f'{cfg.filename}: every stage has a checkpoint given: nothing to train')
        return ours
    found = [stage for stage in stages if stage.name == name]
    if not found:
        names = ', '.join(stage.name for stage in stages)
        raise UserError(f'stage={name}: {cfg.filename} has the stages {names}')
    if found[0].given is not None:
        key = f'stages.{name}.{GIVEN[found[0].kind]}'
        raise UserError(f'stage={name}: {key} is given, so it is not trained')
    return found


def _read_already(todo: list[TrainingStage]) -> set[str]:
    """The stages whose results lie in the checkpoints of all that need them: a resume reads these."""
    read, needed = set(), set()
    for stage in todo:
        begun = any(newest_first(stage.folder))
        (read if begun else needed).update(_references(_referring(stage)))
        # Data is read again, such as labels.
        needed.update(_references(stage.cfg.get('train_dataloader')))
    return read - needed


def resolve(stage: TrainingStage, stages: list[TrainingStage]) -> Config:
    """The stage's config with its references replaced by files.

    Raises:
        UserError: An earlier stage has not ended yet.
    """
    results = {each.name: each.result for each in stages}
    kinds = {each.name: each.kind for each in stages}
    for name in _references(_referring(stage)):
        if results[name] is None:
            of_labels = kinds[name] == LABEL
            kind, value = ('folder', 'FOLDER') if of_labels else ('file', 'FILE.pth')
            raise UserError(
                f'stage {stage.name} needs the result of stage {name}, which has not ended: run '
                f'that first (stage={name}), or name a {kind}: '
                f'--cfg-options stages.{name}.{GIVEN[kinds[name]]}={value}'
            )
    resolved = stage.cfg.to_dict() | _replace(_referring(stage), results)
    return Config(resolved, filename=stage.cfg.filename)


def is_reference(value: Any) -> bool:
    """Whether a setting stands for the checkpoint of a stage."""
    return isinstance(value, str) and value.startswith(REFERENCE)


def _check(cfg: Config, stages: list[TrainingStage]) -> None:
    before: list[str] = []
    for stage in stages:
        needed = _references(_referring(stage)) if stage.given is None else ()
        for name in needed:
            if name not in before:
                raise UserError(
                    f'{cfg.filename}: stage {stage.name} needs the result of stage {name}, which '
                    f'{"comes later" if name in {s.name for s in stages} else "is not there"}; '
                    f'before it come: {", ".join(before) or "none"}'
                )
        _check_kinds(cfg, stage, {each.name: each.kind for each in stages})
        length = stage.cfg.get('train_cfg')
        trained = stage.given is None and stage.kind == TRAIN
        if trained and not (isinstance(length, Mapping) and length.get('max_iters')):
            raise UserError(f'{cfg.filename}: stages.{stage.name} has no train_cfg.max_iters')
        before.append(stage.name)


def _check_kinds(cfg: Config, stage: TrainingStage, kinds: Mapping[str, str]) -> None:
    """See that data is made by a stage of labels, and weights by one that trains."""
    for key, value in _referring(stage).items() if stage.given is None else ():
        for name in _references(value):
            wanted = LABEL if key == 'train_dataloader' else TRAIN
            if kinds[name] != wanted:
                raise UserError(
                    f'{cfg.filename}: stages.{stage.name}.{key} refers to stage {name}, which is of '
                    f'kind {kinds[name]!r}, but needs one of kind {wanted!r}'
                )


def _referring(stage: TrainingStage) -> dict[str, Any]:
    keys = _REFERRING if stage.kind == TRAIN else (stage.kind,)
    return {key: value for key, value in stage.cfg.to_dict().items() if key in keys}


def _references(value: Any) -> Iterator[str]:
    """The names of the stages that a config refers to."""
    if is_reference(value):
        yield value[len(REFERENCE) :]
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _references(each)


def _replace(value: Any, results: Mapping[str, str | None]) -> Any:
    if is_reference(value):
        return results[value[len(REFERENCE) :]]
    if isinstance(value, Mapping):
        return {key: _replace(each, results) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_replace(each, results) for each in value)
    return value
