"""Which classes a teacher sees, over a training."""

from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.models.teacher import EmaTeacher
from mmseg_da.registry import HOOKS

PREFIX = 'pseudo.'


@HOOKS.register_module()
class PseudoLabelHook(Hook):
    """Logs the share of each class in the teacher's pseudo labels, in percent, as ``pseudo.CLASS``.

    It counts what the teacher has said about the target images of that iteration, all pixels of all
    processes, sure or not, so the shares add up to 100. They go to the visualizer and its files, not
    to the printed log. A class that fades from the pseudo labels is being unlearned; one that grows
    without end draws the others. Without a teacher it does nothing.

    It waits for the device, once in ``interval`` iterations.

    Args:
        interval: Iterations between two counts; 0 or ``None`` for none.

    Raises:
        UserError: It is negative.

    ``DomainAdaptationRunner`` has it among its default hooks: ``pseudo_labels``.
    """

    priority = 'BELOW_NORMAL'

    def __init__(self, interval: int | None = 50) -> None:
        self.interval = interval or 0
        if self.interval < 0:
            raise UserError(
                f'default_hooks.pseudo_labels: interval={interval} must not be negative; 0 counts none'
            )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count, if it is time and the teacher was asked."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        teacher = _teacher(runner.model)
        if teacher is None or teacher.teaching is None or not teacher.teaching.asked:
            return
        labels, _ = teacher.teaching.verdict
        num = teacher.net.decode_head.out_channels
        named = zip(_classes(runner, num), class_shares(labels, num), strict=True)
        # On the main process alone, as all of the visualizer.
        runner.visualizer.add_scalars({PREFIX + n: s for n, s in named}, step=runner.iter + 1)


def class_shares(labels: Tensor, num_classes: int) -> list[float]:
    """The share of each class in the labels of all processes, in percent.

    Args:
        labels: Integers 0 to ``num_classes`` - 1, any shape.
        num_classes: Number of classes C.

    Returns:
        C numbers that add up to 100.
    """
    counts = torch.bincount(labels.flatten(), minlength=num_classes)
    all_reduce(counts)
    return (100 * counts.double() / counts.sum()).tolist()


def _teacher(model: nn.Module) -> EmaTeacher | None:
    return next((each for each in model.modules() if isinstance(each, EmaTeacher)), None)


def _classes(runner: Runner, num: int) -> list[str]:
    metainfo = getattr(runner.train_dataloader.dataset, 'metainfo', None) or {}
    names = list(metainfo.get('classes') or ())
    return names if len(names) == num else [str(number) for number in range(num)]
