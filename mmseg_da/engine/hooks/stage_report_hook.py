"""Where a run of several stages is, and how long the rest takes."""

import datetime
import time
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_da.registry import HOOKS


@HOOKS.register_module()
class StageReportHook(Hook):
    """Logs the stage, what comes after it, and the time left. ``StagedRunner`` adds it.

    Args:
        stage: Name of the stage.
        number: Its number, from 1.
        of: How many stages there are.
        later: Iterations of each later stage, by name; 0 for one that trains nothing.
        interval: Iterations between two lines.
    """

    priority = 'LOW'

    def __init__(
        self, stage: str, number: int, of: int, later: Mapping[str, int], interval: int = 500
    ) -> None:
        self.stage, self.number, self.of = stage, number, of
        self.later, self.interval = dict(later), interval
        self._start = (0.0, 0)

    def before_train(self, runner: Runner) -> None:
        """Say which stage starts and what is to come."""
        self._start = (time.perf_counter(), runner.iter)
        what = f', iterations {runner.iter} to {runner.max_iters}'
        runner.logger.info(opening(self.stage, self.number, self.of, self.later, what))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Say how long it takes yet."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        began, first = self._start
        each = (time.perf_counter() - began) / (runner.iter + 1 - first)
        left = runner.max_iters - runner.iter - 1
        later = sum(self.later.values())
        text = f'Stage {self.stage}: {clock(left * each)} left'
        if later:
            text += (
                f'; about {clock((left + later) * each)} with the later stages, if an iteration '
                'takes as long there'
            )
        runner.logger.info(text)


def opening(stage: str, number: int, of: int, later: Mapping[str, int], what: str = '') -> str:
    """Which stage starts and what is to come, in one line.

    Args:
        stage: Name of the stage.
        number: Its number, from 1.
        of: How many stages there are.
        later: Iterations of each later stage, by name; 0 for one that trains nothing.
        what: What it does, after its name.
    """
    then = ', '.join(f'{name} ({n} iterations)' if n else name for name, n in later.items())
    return (
        f'Stage {number} of {of}: {stage}{what}. {f"Then {then}." if then else "It is the last."}'
    )


def clock(seconds: float) -> str:
    """Seconds as ``H:MM:SS``."""
    return str(datetime.timedelta(seconds=int(seconds)))
