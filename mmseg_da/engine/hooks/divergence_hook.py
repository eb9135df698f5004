"""Stopping a training that has diverged."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.hooks import CheckpointHook, Hook, LoggerHook
from mmengine.runner import Runner

from mmseg_da.engine.checkpoints import newest_first, newest_good
from mmseg_da.engine.optimizers.partwise_constructor import wrappers_of
from mmseg_da.errors import UserError
from mmseg_da.registry import HOOKS


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Stops when a loss is no number any more, before such weights are saved.

    It reads what mmengine has logged, so it costs no synchronisation with the device. It looks
    whenever the log is written and before a checkpoint is.

    Where a loss scaler (mixed precision in float16) leaves out a step whose gradients overflow, the
    weights stay good, so a loss may be infinite for a while there.

    Args:
        patience: Iterations in a row that a loss may be infinite where a scaler watches.

    ``DomainAdaptationRunner`` has it among its default hooks: ``divergence``.
    """

    priority = 'LOW'  # after the line of the log, before the checkpoint

    def __init__(self, patience: int = 50) -> None:
        self.patience = patience
        self._since: dict[str, int] = {}  # the first iteration of each loss that is no number

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Note this iteration's losses; stop if it is time to look and one has diverged.

        Raises:
            UserError: One has; names the iteration, the loss and the last good checkpoint.
        """
        scaled = any(_scales(wrapper) for wrapper in wrappers_of(runner.optim_wrapper))
        self._note(runner, outputs or {}, forget=scaled)
        due = any(self.every_n_train_iters(runner, each) for each in _intervals(runner))
        if not due and not self.is_last_train_iter(runner):
            return
        allowed = self.patience if scaled else 1
        mine = {
            key: since for key, since in self._since.items() if runner.iter + 2 - since >= allowed
        }
        found = dict(item for each in all_gather_object(mine) for item in each.items())
        if found:
            raise UserError(_report(found, Path(runner.work_dir)))

    def _note(self, runner: Runner, outputs: Mapping[str, Any], forget: bool) -> None:
        logged = runner.message_hub.log_scalars
        for key in outputs:
            if 'loss' not in key or f'train/{key}' not in logged:
                continue
            if not math.isfinite(logged[f'train/{key}'].current()):
                self._since.setdefault(key, runner.iter + 1)
            elif forget:
                self._since.pop(key, None)


def _scales(wrapper: Any) -> bool:
    scaler = getattr(wrapper, 'loss_scaler', None)
    return scaler is not None and scaler.is_enabled()


def _intervals(runner: Runner) -> list[int]:
    """How often the log and the checkpoints are written, in iterations."""
    return [
        hook.interval
        for hook in runner.hooks
        if isinstance(hook, LoggerHook | CheckpointHook) and not getattr(hook, 'by_epoch', False)
    ]


def _report(found: Mapping[str, int], work_dir: Path) -> str:
    first = min(found.values())
    keys = ', '.join(sorted(key for key, since in found.items() if since == first))
    good = newest_good(newest_first(work_dir), before=first)
    way_on = (
        f'The last good checkpoint is {good}. Start from its weights'
        if good is not None
        else 'There is no checkpoint from before that. Start again'
    )
    option = f'load_from={good} ' if good is not None else ''
    return (
        f'the training has diverged: {keys} is not finite since iteration {first}. {way_on} with a '
        f'smaller learning rate or clipped gradients: --cfg-options {option}'
        'optim_wrapper.clip_grad.max_norm=10'
    )
