"""Work on many files: in several processes, with a progress bar."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import parent_process
from threading import Thread
from typing import Any

from rich.console import Console
from rich.progress import track

from mmseg_da.errors import UserError

_FEWER = 'run the same command again with a smaller --nproc, it goes on where it stopped'


def in_parallel(
    task: Callable[[Any], Any], items: Sequence, nproc: int, remedy: str = _FEWER
) -> Iterator:
    """Give ``task(item)`` of each item, in order.

    Args:
        task: A function that can be pickled.
        nproc: Number of processes; up to 1 means this one.
        remedy: What to do if a process was killed, for the message.

    Raises:
        UserError: One of the processes was killed.
    """
    if nproc <= 1:
        return map(task, items)
    pool = ProcessPoolExecutor(nproc, initializer=_end_with_parent)
    # Forked here and not at the first result, by when a progress bar may run its thread.
    return _drain(pool, pool.map(task, items, chunksize=8), remedy)


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end with it even if it is killed: nobody else would."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        parent_process().join()
        os._exit(1)

    Thread(target=follow, daemon=True).start()


def _drain(pool: ProcessPoolExecutor, results: Iterator, remedy: str) -> Iterator:
    try:
        yield from results
    except BrokenProcessPool:
        raise UserError(f'a process was killed, most likely for lack of memory: {remedy}') from None
    finally:
        pool.shutdown(cancel_futures=True)


def progress(items: Iterable, title: str, show: bool = True, total: int | None = None) -> Iterator:
    """Pass ``items`` on while a bar on stderr shows how many are done and the time left."""
    console = Console(stderr=True)
    return iter(track(items, title, total=total, console=console, disable=not show))
