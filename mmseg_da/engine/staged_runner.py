"""One run of several stages."""

import gc
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from typing_extensions import Self

from mmseg_da.datasets.outputs import write_atomically
from mmseg_da.datasets.presence import check_data
from mmseg_da.engine import launch
from mmseg_da.engine.checkpoints import PARTIAL, newest_first, put_in_place
from mmseg_da.engine.evaluation_stage import (
    METRICS,
    check_evaluation_stage,
    run_evaluation_stage,
)
from mmseg_da.engine.fitting import check_predicts
from mmseg_da.engine.hooks import StageReportHook
from mmseg_da.engine.hooks.stage_report_hook import opening
from mmseg_da.engine.label_stage import check_label_stage, run_label_stage
from mmseg_da.engine.pseudo_labels import LABELS
from mmseg_da.engine.settings import check_settings, saves_last_iteration
from mmseg_da.engine.stage_kinds import EVALUATE, LABEL, TRAIN
from mmseg_da.engine.stages import TrainingStage, chosen, is_reference, resolve, split
from mmseg_da.errors import UserError
from mmseg_da.registry import RUNNERS


@RUNNERS.register_module()
class StagedRunner:
    """Trains the stages of a config one after the other, each with a runner of its own.

    ``cfg.stages`` says what each stage changes in the rest of the config (see
    :func:`mmseg_da.engine.stages.split`). A stage writes into ``WORK_DIR/<stage>/``; the last one's
    final checkpoint is also ``WORK_DIR/iter_N.pth``, and the config without its stages is the one
    that it tests with. ``resume`` goes on where the run ended, within a stage or between two;
    ``stage='name'`` runs one alone.

    Args:
        cfg: The config.

    Attributes:
        runs_stages: A runner for a config with ``stages`` says so.

    Raises:
        UserError: The stages cannot work, a setting of one is plainly wrong, or data that one reads
            is missing; before the first one starts.
    """

    runs_stages = True

    def __init__(self, cfg: Config) -> None:
        self.cfg = cfg
        self.stages = split(cfg)
        self.todo = chosen(cfg, self.stages)
        for stage in self.todo:
            _check(stage)
        if len(self.todo) < len(self.stages):  # what they need must be there already
            first = self.todo[0]
            resolve(first, self.stages)

    @classmethod
    def from_cfg(cls, cfg: Any) -> Self:
        """Build from a config."""
        return cls(cfg)

    def train(self) -> None:
        """Run the stages that are not done."""
        for stage in self.todo:
            if self.cfg.get('resume') and stage.result is not None:
                continue
            goes_on = self._run(stage) if stage.kind == TRAIN else self._predict(stage)
            gc.collect()  # a runner refers to itself, and would keep its networks on the device
            if not goes_on:
                return
        trained = [stage for stage in self.stages if stage.kind == TRAIN and stage.result]
        if self.todo[-1] is self.stages[-1] and trained:
            self._hand_out(trained[-1])

    def _run(self, stage: TrainingStage) -> bool:
        """Train a stage; gives whether the run goes on."""
        cfg = resolve(stage, self.stages)
        cfg.launcher = self.cfg.get('launcher', 'none')
        # mmengine would resume from `load_from`, the weights that the stage starts with.
        begun = any(newest_first(stage.folder))
        cfg.resume = bool(self.cfg.get('resume')) and begun
        if cfg.resume:
            cfg.load_from = None
        # mmengine hands out one log and one visualizer per name: those of the first stage, if it
        # ended within the second, would go on for the next.
        cfg.experiment_name = f'{Path(cfg.filename or "config").stem}_{stage.name}'
        if cfg.get('visualizer'):
            cfg.visualizer['name'] = str(stage.folder)
        first = stage is self.todo[0] and not self.cfg.get('resume')
        whole = is_reference(stage.cfg.get('load_from')) and not cfg.resume
        start = _Start(self.todo if first else [], cfg.load_from if whole else None)
        loop = launch.train(cfg, hooks=[start, self._report(stage)]).train_loop
        if loop.told_to_end:
            return False
        _finish(stage)
        if loop.told_too_late and stage is not self.todo[-1]:
            MMLogger.get_current_instance().info(
                f'Told to end: stage {stage.name} is done. Continue with --resume.'
            )
            return False
        return True

    def _predict(self, stage: TrainingStage) -> bool:
        """Run a stage that trains nothing; gives whether the run goes on."""

        def ready() -> None:
            if stage is self.todo[0] and not self.cfg.get('resume') and is_main_process():
                for each in self.todo:
                    each.forget()
            barrier()  # nobody looks at what is being set aside

        launcher = self.cfg.get('launcher', 'none')
        said = opening(*self._place(stage))
        run = run_label_stage if stage.kind == LABEL else run_evaluation_stage
        if not run(stage, self.stages, launcher, ready, said):
            return False
        _finish(stage)
        return True

    def _report(self, stage: TrainingStage) -> Hook:
        return StageReportHook(*self._place(stage))

    def _place(self, stage: TrainingStage) -> tuple[str, int, int, dict[str, int]]:
        """Name, number, number of all, and the length of each later one."""
        at = self.todo.index(stage)
        later = {each.name: each.iterations for each in self.todo[at + 1 :]}
        return stage.name, at + 1, len(self.todo), later

    def _hand_out(self, last: TrainingStage) -> None:
        """Put the final checkpoint where that of a training of one stage is."""
        if not is_main_process():
            return
        work_dir, result = Path(self.cfg.work_dir), Path(last.result)
        final = work_dir / result.name
        partial = final.with_name(final.name + PARTIAL)
        try:
            _link(result, partial)
            put_in_place(partial, final)
            write_atomically(work_dir / 'last_checkpoint', str(final).encode())
            name = Path(self.cfg.filename or 'config.py').name
            write_atomically(work_dir / name, self.cfg.dump().encode())
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise UserError(
                f'{final}: cannot write the final checkpoint ({error}); it is {result}, too. Make '
                'room, then run again with --resume.'
            ) from error
        MMLogger.get_current_instance().info(f'All stages are done: {final}')


def _check(stage: TrainingStage) -> None:
    """Look at what would stop a stage when its turn comes, which may be days later."""
    if stage.kind != TRAIN:
        (check_label_stage if stage.kind == LABEL else check_evaluation_stage)(stage)
        return
    try:
        check_settings(stage.cfg)
    except UserError as error:
        raise UserError(f'{error} (in stage {stage.name})') from error
    if not saves_last_iteration(stage.cfg):
        raise UserError(
            f'{stage.cfg.filename}: stage {stage.name} would not save its last iteration, which is its '
            "result: set default_hooks.checkpoint=dict(type='CheckpointHook', by_epoch=False), and not "
            'save_last=False'
        )
    check_data(stage.cfg)


class _Start(Hook):
    """What happens around the first iteration of a stage.

    Args:
        forgotten: Stages of which an earlier run's results are set aside.
        start: The checkpoint of an earlier stage that the training starts from, if it does.
    """

    priority = 'HIGH'  # before anything is saved

    def __init__(self, forgotten: Sequence[TrainingStage], start: str | None) -> None:
        self.forgotten, self.start = forgotten, start

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """See that the earlier stage trained this network."""
        if self.start is not None:
            check_predicts(runner.model, checkpoint, self.start)

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Set aside, now that the training works."""
        if is_main_process():
            for stage in self.forgotten:
                stage.forget()
        self.forgotten = ()


def _finish(stage: TrainingStage) -> None:
    """Note that a stage has ended, in every process after all have."""
    barrier()
    if is_main_process():
        other = {LABEL: stage.folder / LABELS, EVALUATE: stage.folder / METRICS}
        stage.finish(other.get(stage.kind) or _final_checkpoint(stage))
    barrier()


def _final_checkpoint(stage: TrainingStage) -> Path:
    note = stage.folder / 'last_checkpoint'
    if not note.is_file():
        raise UserError(
            f'{stage.folder}: stage {stage.name} has written no checkpoint, which the next one and the '
            "result need: set default_hooks.checkpoint=dict(type='CheckpointHook', by_epoch=False)"
        )
    return Path(note.read_text().strip())


def _link(file: Path, other: Path) -> None:
    """Give a file a second name, or a copy where the file system has no links."""
    other.unlink(missing_ok=True)
    try:
        os.link(file, other)
    except OSError:
        shutil.copyfile(file, other)
