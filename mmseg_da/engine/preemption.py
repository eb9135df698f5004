"""Ending a training in time when the machine is taken away."""

import signal
import threading
from types import FrameType

import torch
from mmengine.dist import all_reduce, get_world_size
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
