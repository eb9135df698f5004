"""Checkpoints in the right order: write the new one, then drop the oldest."""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmseg_da.registry import HOOKS


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook`` that loses nothing when a write fails.

    mmengine removes the oldest checkpoint before it writes the newest, so that a full disk can
    leave none; here it goes afterwards. Takes the arguments of ``CheckpointHook``;
    ``DomainAdaptationRunner`` uses it in its place.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the gradients that wait for an update, if the checkpoint is between two."""
        if runner.accumulated:
            checkpoint['gradients'] = dict(runner.accumulated)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        outdated = self._enlist(runner, step)
        keep, self.max_keep_ckpts = self.max_keep_ckpts, -1  # mmengine's own way: keep all
        try:
            super()._save_checkpoint_with_step(runner, step, meta)
        finally:
            self.max_keep_ckpts = keep
        if outdated is not None and is_main_process():
            Path(self.out_dir, self.filename_tmpl.format(outdated)).unlink(missing_ok=True)

    def _enlist(self, runner: Runner, step: int) -> int | None:
        """Add a step to those that are kept; gives the one that then is too many."""
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return None
        full = len(self.keep_ckpt_ids) == self.max_keep_ckpts
        outdated = self.keep_ckpt_ids.popleft() if full else None
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return outdated

    def save_now(self, runner: Runner) -> None:
        """Save the last iteration that was trained, unless it is saved already.

        Call it between two iterations: mmengine's own methods are for within one.
        """
        if self.last_ckpt is None or self.filename_tmpl.format(runner.iter) not in self.last_ckpt:
            meta = dict(epoch=runner.epoch, iter=runner.iter)
            self._save_checkpoint_with_step(runner, runner.iter, meta)
