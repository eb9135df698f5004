"""One run of several stages."""

import os
import shutil
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.logging import MMLogger
from typing_extensions import Self

from mmseg_da.datasets.presence import check_data
from mmseg_da.engine import launch
from mmseg_da.engine.checkpoints import PARTIAL, newest_first, put_in_place
from mmseg_da.engine.stages import TrainingStage, chosen, resolve, split
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

    Raises:
        UserError: The stages cannot work, or data that one of them reads is missing; before the
            first one starts.
    """

    def __init__(self, cfg: Config) -> None:
        self.cfg = cfg
        self.stages = split(cfg)
        self.todo = chosen(cfg, self.stages)
        for stage in self.todo:
            check_data(stage.cfg)
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
            if not self._run(stage):
                return
        if self.todo[-1] is self.stages[-1]:
            self._hand_out(self.stages[-1])

    def _run(self, stage: TrainingStage) -> bool:
        """Train a stage; gives whether it has come to its end."""
        if is_main_process():
            stage.begin()
        cfg = resolve(stage, self.stages)
        cfg.launcher = self.cfg.get('launcher', 'none')
        # mmengine would resume from `load_from`, the weights that the stage starts with.
        begun = any(newest_first(stage.folder))
        cfg.resume = bool(self.cfg.get('resume')) and begun
        if cfg.resume:
            cfg.load_from = None
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), self._report(stage)]
        runner = launch.train(cfg)
        if runner.train_loop.told_to_end:
            return False
        barrier()
        if is_main_process():
            stage.finish(Path((stage.folder / 'last_checkpoint').read_text().strip()))
        barrier()
        return True

    def _report(self, stage: TrainingStage) -> dict:
        at = self.todo.index(stage)
        later = {each.name: each.iterations for each in self.todo[at + 1 :]}
        return dict(
            type='StageReportHook', stage=stage.name, number=at + 1, of=len(self.todo), later=later
        )

    def _hand_out(self, last: TrainingStage) -> None:
        """Put the final checkpoint where that of a training of one stage is."""
        if not is_main_process():
            return
        work_dir, result = Path(self.cfg.work_dir), Path(last.result)
        final = work_dir / result.name
        partial = final.with_name(final.name + PARTIAL)
        partial.unlink(missing_ok=True)
        try:
            os.link(result, partial)
        except OSError:  # a file system without links
            shutil.copyfile(result, partial)
        put_in_place(partial, final)
        (work_dir / 'last_checkpoint').write_text(str(final))
        self.cfg.dump(work_dir / Path(self.cfg.filename or 'config.py').name)
        MMLogger.get_current_instance().info(f'All stages are done: {final}')
