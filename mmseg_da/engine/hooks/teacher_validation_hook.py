"""Scores of the segmentor and of its teacher in one training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner, autocast

from mmseg_da.errors import UserError
from mmseg_da.models.teacher import EmaTeacher
from mmseg_da.registry import HOOKS


@HOOKS.register_module()
class TeacherValidationHook(Hook):
    """Validates the mean teacher, too, and logs its scores as ``teacher.mIoU`` and so on.

    After each validation it goes through the same images once more, so that validation takes twice
    as long. Where ``model.teacher.predicts``, the first scores are the teacher's, and those that
    are added are ``segmentor.mIoU`` and so on. ``CheckpointHook(save_best='teacher.mIoU')`` may
    name either. It changes nothing else in the training.

    Raises:
        UserError: When the training starts, the model has no teacher.
    """

    priority = 'NORMAL'  # before what logs and what keeps the best

    def before_train(self, runner: Runner) -> None:
        """Look for the teacher."""
        _teacher(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Validate the other network."""
        teacher, loop = _teacher(runner), runner.val_loop
        prefix = 'segmentor' if teacher.predicts else 'teacher'
        with _asked(teacher, not teacher.predicts), torch.no_grad():
            for batch in loop.dataloader:
                with autocast(enabled=loop.fp16):
                    samples = runner.model.val_step(batch)
                loop.evaluator.process(data_samples=samples, data_batch=batch)
        found = loop.evaluator.evaluate(len(loop.dataloader.dataset))
        for name, value in found.items():
            runner.message_hub.update_scalar(f'val/{prefix}.{name}', value)
            if metrics is not None:
                metrics[f'{prefix}.{name}'] = value


@contextmanager
def _asked(teacher: EmaTeacher, predicts: bool) -> Iterator[None]:
    before, teacher.predicts = teacher.predicts, predicts
    try:
        yield
    finally:
        teacher.predicts = before


def _teacher(runner: Runner) -> Any:
    found = getattr(getattr(runner.model, 'module', runner.model), 'teacher', None)
    if found is None:
        raise UserError(
            'TeacherValidationHook: the model has no teacher: set model.teacher=dict(alpha=0.999), '
            'or take the hook out of custom_hooks'
        )
    return found
