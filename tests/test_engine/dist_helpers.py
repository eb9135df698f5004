"""Running tools in several real processes, and ending them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOY = ROOT / 'configs/small/adaptsegnet_toy.py'


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def start_two(work_dir: Path, data: Path, *options: str, config: Path = TOY) -> subprocess.Popen:
    """Train a toy config by tools/dist_train.sh in two processes, with --resume."""
    work_dir.mkdir(exist_ok=True)
    return subprocess.Popen(
        [
            str(ROOT / 'tools/dist_train.sh'), str(config), '2', '--work-dir', str(work_dir), '--resume',
            '--cfg-options', 'train_dataloader.batch_size=2', 'train_cfg.val_interval=1000',
            'train_dataloader.persistent_workers=False', 'train_dataloader.num_workers=0',
            'default_hooks.checkpoint.interval=2', 'default_hooks.checkpoint.max_keep_ckpts=-1',
            *options,
        ],
        cwd=work_dir,  # mmengine collects what processes measured in a folder there
        env=os.environ | dict(
            MMSEG_DA_DATA=str(data), OMP_NUM_THREADS='1', PYTHON=sys.executable,
            PYTHONWARNINGS='ignore', PYTHONFAULTHANDLER='1', PORT=str(free_port()),
        ),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen, timeout: float = 240) -> str:
    """Wait for the end; gives what was printed. Leaves nothing behind when it takes too long."""
    try:
        return process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        for pid in reversed(family(process.pid)[1:]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGABRT)  # each says where it stands: PYTHONFAULTHANDLER
        time.sleep(2)
        said = kill(process)
        raise AssertionError(f'not done after {timeout} s:\n{said[-6000:]}') from None


def family(pid: int) -> list[int]:
    """A process and all that descend from it, the oldest first."""
    found = [pid]
    for tasks in Path(f'/proc/{pid}/task').glob('*/children'):
        for child in tasks.read_text().split():
            found += family(int(child))
    return found


def kill(process: subprocess.Popen) -> str:
    """SIGKILL the launcher and all that descends from it, as a crash of the machine would.

    Gives what they had printed.
    """
    for pid in family(process.pid):
        with contextlib.suppress(ProcessLookupError):  # it has ended with its parent
            os.kill(pid, signal.SIGKILL)
    return process.communicate()[0]


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    """Wait until something is so, at most two minutes."""
    for _ in range(1200):
        if condition():
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    kill(process)
    raise AssertionError('it did not come')
