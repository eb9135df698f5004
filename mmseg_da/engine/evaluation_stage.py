"""A stage that tests the mean of several networks."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_da.datasets.outputs import write_atomically
from mmseg_da.datasets.presence import check_data
from mmseg_da.engine import launch
from mmseg_da.engine.members import check_members, ensemble_of_stage, names_of
from mmseg_da.engine.settings import check_settings
from mmseg_da.engine.stage_kinds import EVALUATE
from mmseg_da.engine.stages import TrainingStage, resolve

METRICS = 'metrics.json'


class _Opening(Hook):
    """Says what is tested.

    Args:
        said: The lines.
        ready: Called after the first image.
    """

    def __init__(self, said: Sequence[str], ready: Callable[[], None]) -> None:
        self.said, self.ready = said, ready

    def before_test(self, runner: Runner) -> None:
        """Say it."""
        for line in self.said:
            runner.logger.info(line)

    def before_test_iter(self, runner: Runner, batch_idx: int, *_: object, **__: object) -> None:
        """Everything is built."""
        if batch_idx == 0:
            self.ready()


def check_evaluation_stage(stage: TrainingStage) -> None:
    """Look at what would stop a stage of evaluation when its turn comes.

    Raises:
        UserError: A setting is wrong, or data is missing.
    """
    check_members(stage.cfg[EVALUATE], f'{stage.cfg.filename}: stages.{stage.name}')
    check_settings(stage.cfg)
    check_data(stage.cfg, ['test_dataloader'])


def run_evaluation_stage(
    stage: TrainingStage,
    stages: Sequence[TrainingStage],
    launcher: str,
    ready: Callable[[], None],
    said: str,
) -> bool:
    """Test the mean of a stage's members with ``test_dataloader``; the scores go to a file.

    Args:
        stage: The stage; its ``members`` have ended.
        stages: All stages.
        launcher: What started this process.
        ready: Called when everything is built, before anything is written.
        said: What the log says first.

    Returns:
        Whether the run goes on, which it does.

    Raises:
        UserError: A member does not fit, or as :func:`mmseg_da.engine.launch.test`.
    """
    cfg = resolve(stage, stages)
    cfg.launcher = launcher
    cfg.model = ensemble_of_stage(stage, stages, cfg)
    cfg.load_from, cfg.resume = None, False
    cfg.experiment_name = f'{Path(cfg.filename or "config").stem}_{stage.name}'
    if cfg.get('visualizer'):
        cfg.visualizer['name'] = str(stage.folder)
    lines = [said, f'Tests the mean of {names_of(stage)}, {cfg.model.average}']
    metrics = launch.test(cfg, _Opening(lines, ready))
    if is_main_process():
        plain = {name: float(value) for name, value in metrics.items()}
        content = json.dumps(plain, indent=1) + '\n'
        write_atomically(stage.folder / METRICS, content.encode())
    return True
