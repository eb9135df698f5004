"""Ending a training in time when the machine is taken away."""

import functools
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

import torch
from mmengine.dist import all_reduce, get_world_size
from torch.utils.data import DataLoader
from typing_extensions import Self

CHECK_EVERY = 10
"""Iterations between two agreements of several processes: each costs a synchronisation."""


class Preemption:
    """Notes SIGTERM while it is active, instead of dying of it.

    Several processes may be told at different iterations, so they agree on one.
    """

    def __init__(self) -> None:
        self._told = False
        self._before: signal.Handlers | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    @property
    def told(self) -> bool:
        """Whether this process was told, whatever the others know."""
        return self._told

    def asked(self, iteration: int) -> bool:
        """Whether to end after this iteration; the same answer in every process."""
        if get_world_size() == 1:
            return self._told
        if iteration % CHECK_EVERY:
            return False
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        told = torch.tensor(float(self._told), device=device)
        all_reduce(told, op='max')
        return bool(told > 0)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._told = True


def spare_workers(loader: DataLoader) -> None:
    """Let the workers of a loader that has not started outlive a SIGTERM that is not their parent's.

    torchrun and schedulers send it to the whole family of processes. A worker that dies of it takes
    the training with it, wherever in an iteration that is.
    """
    loader.worker_init_fn = functools.partial(_start_worker, loader.worker_init_fn)


def _start_worker(then: Callable[[int], None] | None, worker_id: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # also of threads yet to come
    threading.Thread(target=_obey_the_parent, daemon=True).start()
    if then is not None:
        then(worker_id)


def _obey_the_parent() -> None:
    # A signal that comes while another waits is lost, whoever sent it; the loop takes them at once.
    parent = os.getppid()
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)  # what torch's own handler does
