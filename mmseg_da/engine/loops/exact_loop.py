"""A training loop that a resume continues exactly."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.runner import IterBasedTrainLoop

from mmseg_da.datasets import SourceTargetSampler
from mmseg_da.engine.distributed import note_joint_batch
from mmseg_da.engine.preemption import Preemption
from mmseg_da.engine.wrappers import share_buffers
from mmseg_da.registry import LOOPS


@LOOPS.register_module()
class ExactTrainLoop(IterBasedTrainLoop):
    """mmengine's ``IterBasedTrainLoop``, made a pure function of the seed and the iteration.

    Before iteration k, Python, NumPy and torch are seeded from (seed, k, rank), and the sampler
    starts at the draw of iteration k. So a resumed training continues as if it had never stopped,
    whatever the number of workers, and without reading again what it has seen. A training that is
    told to end (SIGTERM, as clusters send before pre-emption) saves a checkpoint and ends.

    ``DomainAdaptationRunner`` uses it for every config that says ``IterBasedTrainLoop``. Training
    data that no ``SourceTargetSampler`` draws is read as mmengine does it.

    Attributes:
        told_to_end: SIGTERM has ended the training before its last iteration.
        told_too_late: SIGTERM came when the last iteration was running.
    """

    told_to_end = told_too_late = False

    def run(self) -> Any:
        """Train to the last iteration, or until told to end, or a hook sets ``stop_training``."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        note_joint_batch(self.runner, self.dataloader.batch_size)
        with Preemption() as preemption:
            batches = self._batches()
            while self._iter < self._max_iters and not self.stop_training:
                self.runner.model.train()
                seed_iteration(self.runner.seed, self._iter, get_rank())
                self.run_iter(next(batches))
                self._validate_if_due()
                self.told_to_end = preemption.asked(self._iter) and self._iter < self._max_iters
                if self.told_to_end or self.stop_training:
                    self.runner.save_now(told=self.told_to_end)
                    break
            self.told_too_late = not self.told_to_end and preemption.asked(0)
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _validate_if_due(self) -> None:
        self._decide_current_val_interval()
        if self.runner.val_loop is None or self._iter < self.val_begin:
            return
        if self._iter % self.val_interval == 0 or self._iter == self._max_iters:
            share_buffers(self.runner.model)  # all measure the model that is saved
            self.runner.val_loop.run()

    def _batches(self) -> Iterator[Any]:
        """The batches from the present iteration on, without end."""
        sampler = self.dataloader.sampler
        if isinstance(sampler, SourceTargetSampler):
            sampler.start = self._iter * self.dataloader.batch_size
            self.dataloader_iterator = iter(self.dataloader)
            return self.dataloader_iterator
        for _ in range(self._iter):
            next(self.dataloader_iterator)
        return iter(lambda: next(self.dataloader_iterator), object())


def seed_iteration(seed: int, iteration: int, rank: int) -> None:
    """Seed Python, NumPy and torch (every device) for one iteration of one process."""
    state = np.random.SeedSequence([seed, iteration, rank]).generate_state(1)
    random.seed(int(state[0]))
    np.random.seed(int(state[0]))
    torch.manual_seed(int(state[0]))
