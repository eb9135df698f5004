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
from mmseg_da.errors import UserError

REFERENCE = 'stage:'
"""``'stage:NAME'`` in a stage's config stands for the final checkpoint of an earlier stage."""

_OWN_KEYS = ('stages', 'stage', 'runner_type')
_REFERRING = ('model', 'load_from', 'train_dataloader', 'custom_hooks')  # others hold variables
_DONE = 'stage_done'


@dataclass(frozen=True)
class TrainingStage:
    """One stage.

    Attributes:
        name: Its key in ``stages``, and the name of its folder.
        cfg: Its whole config; references are not resolved yet.
        given: The checkpoint that the config gives instead of a training.
    """

    name: str
    cfg: Config
    given: str | None = None

    @property
    def folder(self) -> Path:
        """Where it writes."""
        return Path(self.cfg.work_dir)

    @property
    def iterations(self) -> int:
        """How long it trains."""
        return self.cfg.train_cfg.max_iters

    @property
    def result(self) -> str | None:
        """Its final checkpoint, or ``None`` if it has not ended."""
        if self.given is not None:
            return self.given
        note = self.folder / _DONE
        if not note.is_file():
            return None
        final = self.folder / note.read_text().strip()
        return str(final) if final.is_file() else None

    def finish(self, checkpoint: Path) -> None:
        """Note which checkpoint the stage ended with."""
        write_atomically(self.folder / _DONE, checkpoint.name.encode())

    def forget(self) -> None:
        """Set aside what an earlier run left, so that a resume cannot take it for its own.

        Its checkpoints go to ``earlier_1``, ``earlier_2``, ... in the stage's folder.
        """
        (self.folder / _DONE).unlink(missing_ok=True)
        (self.folder / 'last_checkpoint').unlink(missing_ok=True)
        checkpoints = list(newest_first(self.folder))
        if not checkpoints:
            return
        numbers = (self.folder / f'earlier_{number}' for number in itertools.count(1))
        aside = next(folder for folder in numbers if not folder.exists())
        aside.mkdir()
        for checkpoint in checkpoints:
            os.replace(checkpoint, aside / checkpoint.name)


def split(cfg: Config) -> list[TrainingStage]:
    """The stages of a config, in order.

    ``cfg.stages`` holds, by name, what each stage changes in the rest of the config, merged as
    mmengine merges a child into its base (``_delete_=True`` replaces a dict). ``None`` drops a
    stage; ``checkpoint='file.pth'`` in one takes that file instead of training it.

    Raises:
        UserError: There is no stage, one is no dict, has no length, or refers to one that does not
            come before it.
    """
    stages = []
    for name, changes in (cfg.get('stages') or {}).items():
        if changes is None:
            continue
        if not isinstance(changes, Mapping):
            raise UserError(
                f'{cfg.filename}: stages.{name} is {changes!r}, but has to be a dict of what the stage '
                'changes, or None to leave the stage out'
            )
        changes = copy.deepcopy(changes.to_dict() if hasattr(changes, 'to_dict') else changes)
        given = changes.pop('checkpoint', None)
        own = Config(
            {key: value for key, value in cfg.to_dict().items() if key not in _OWN_KEYS},
            filename=cfg.filename,
        )
        own.merge_from_dict(dict(changes, runner_type='DomainAdaptationRunner'))
        own.work_dir = str(Path(cfg.work_dir, name))
        stages.append(TrainingStage(name, own, given))
    if not stages:
        raise UserError(f'{cfg.filename}: `stages` is empty: nothing to train')
    _check(cfg, stages)
    return stages


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
        if not Path(stage.given).is_file():
            raise UserError(
                f'{cfg.filename}: stages.{stage.name}.checkpoint: {stage.given}: no such file. Name '
                f'one: --cfg-options stages.{stage.name}.checkpoint=FILE.pth'
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
        raise UserError(f'stage={name}: stages.{name}.checkpoint is given, so it is not trained')
    return found


def _read_already(todo: list[TrainingStage]) -> set[str]:
    """The stages whose results lie in the checkpoints of all that need them: a resume reads these."""
    read, needed = set(), set()
    for stage in todo:
        begun = any(newest_first(stage.folder))
        (read if begun else needed).update(_references(_referring(stage)))
    return read - needed


def resolve(stage: TrainingStage, stages: list[TrainingStage]) -> Config:
    """The stage's config with its references replaced by files.

    Raises:
        UserError: An earlier stage has not ended yet.
    """
    results = {each.name: each.result for each in stages}
    for name in _references(_referring(stage)):
        if results[name] is None:
            raise UserError(
                f'stage {stage.name} needs the result of stage {name}, which has not ended: run '
                f'that first (stage={name}), or name a file: '
                f'--cfg-options stages.{name}.checkpoint=FILE.pth'
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
        length = stage.cfg.get('train_cfg')
        if stage.given is None and not (isinstance(length, Mapping) and length.get('max_iters')):
            raise UserError(f'{cfg.filename}: stages.{stage.name} has no train_cfg.max_iters')
        before.append(stage.name)


def _referring(stage: TrainingStage) -> dict[str, Any]:
    return {key: value for key, value in stage.cfg.to_dict().items() if key in _REFERRING}


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
