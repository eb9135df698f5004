"""SIGTERM: noted by the training, left alone by its workers unless their parent sends it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from mmseg_da.engine.preemption import Preemption, spare_workers


def test_a_training_notes_the_signal_and_dies_of_it_afterwards_again():
    before = signal.getsignal(signal.SIGTERM)
    with Preemption() as preemption:
        assert not preemption.asked(1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert preemption.asked(1)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def loading():
    """An iterator with two workers, which has begun."""
    loader = DataLoader(TensorDataset(torch.arange(40)), num_workers=2)
    spare_workers(loader)
    batches = iter(loader)
    assert next(batches)[0].item() == 0
    return batches


def terminate_from_outside(process) -> None:
    """As torchrun and schedulers do; this process is the workers' parent.

    Waits until the process has taken the signal: a second one that finds the first still pending
    is dropped by the kernel, and the parent's would be lost.
    """
    subprocess.run(['/bin/sh', '-c', f'kill -TERM {process.pid}'], check=True)
    end = time.monotonic() + 60
    while is_pending(process.pid, signal.SIGTERM):
        assert time.monotonic() < end, 'the signal was not taken'
        time.sleep(0.01)


def is_pending(pid: int, signum: int) -> bool:
    """Whether a signal to the process waits to be taken."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(('SigPnd', 'ShdPnd'))]
    return any(mask >> (signum - 1) & 1 for mask in masks)


@pytest.mark.stack
def test_workers_outlive_the_signal_of_others(loading):
    workers = loading._workers
    for worker in workers:
        terminate_from_outside(worker)
    assert [batch[0].item() for batch in loading] == list(range(1, 40))
    assert [worker.exitcode for worker in workers] == [0, 0]  # which ends them as usual


@pytest.mark.stack
def test_workers_obey_their_parent_also_afterwards(loading):
    workers = loading._workers
    for worker in workers:
        terminate_from_outside(worker)
        assert worker.is_alive()
        worker.terminate()
        worker.join(60)
        assert worker.exitcode == 0


@pytest.mark.stack
def test_the_own_set_up_of_workers_still_runs(tmp_path):
    loader = DataLoader(
        TensorDataset(torch.arange(4)),
        num_workers=2,
        worker_init_fn=lambda worker: (tmp_path / str(worker)).touch(),
    )
    spare_workers(loader)
    assert len(list(loader)) == 4
    assert {path.name for path in tmp_path.iterdir()} == {'0', '1'}
