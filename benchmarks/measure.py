"""How the benchmarks measure: in pairs, and memory by the allocator's own events."""

import ctypes
import gc
import json
import os
import platform
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # glibc's names of its settings
_NEVER, _PAD = 2**31 - 1, 2**28


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, as torch's allocator does on a GPU.

    By itself, glibc hands large blocks back to the system and takes them again, page by page, at
    a cost that depends on the order of allocations and is none of the code's that is measured.

    Returns:
        Whether the C library took all of the settings; only glibc has them.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_TOP_PAD, _PAD))
    return mallopt is not None and all(mallopt(*each) == 1 for each in settings)


def seconds(task: Callable[[], object]) -> tuple[float, float]:
    """Wall time and the process's CPU time of one call, in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    task()
    return time.perf_counter() - wall, time.process_time() - cpu


def paired(
    plain: Callable[[], object],
    ours: Callable[[], object],
    blocks: int,
    clock: Callable[[Callable[[], object]], tuple[float, float]] = seconds,
) -> Iterator[dict[str, tuple[float, float]]]:
    """Time two tasks as A B B A, so that a drift of the machine meets both alike.

    Args:
        plain: What is compared with (A).
        ours: What is measured (B).
        blocks: How many times A B B A.
        clock: Runs a task and gives its wall and CPU seconds.

    Yields:
        Per block, wall and CPU seconds of one A, ``plain``, and of one B, ``ours``.
    """
    for _ in range(blocks):
        gc.collect()
        first, second, third, fourth = (clock(task) for task in (plain, ours, ours, plain))
        yield dict(plain=_mean(first, fourth), ours=_mean(second, third))


def _mean(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


def summary(blocks: list[dict[str, tuple[float, float]]]) -> dict[str, float]:
    """Ratios of the blocks: median and quartiles of wall time, median of CPU time, the minima."""
    wall = [block['ours'][0] / block['plain'][0] for block in blocks]
    cpu = [block['ours'][1] / block['plain'][1] for block in blocks]
    low, middle, high = statistics.quantiles(wall, n=4) if len(wall) > 1 else wall * 3
    fastest = {side: min(block[side][0] for block in blocks) for side in ('plain', 'ours')}
    return dict(
        ratio=middle,
        ratio_low=low,
        ratio_high=high,
        ratio_cpu=statistics.median(cpu),
        ratio_of_fastest=fastest['ours'] / fastest['plain'],
        plain_ms=1000 * fastest['plain'],
        ours_ms=1000 * fastest['ours'],
    )


def peak_bytes(task: Callable[[], object]) -> int:
    """The peak of live tensor bytes that a call allocates, beside what lives before it.

    From the ``[memory]`` events of torch's CPU allocator in time order, so it knows nothing of
    fragmentation, caches and the interpreter.
    """
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        task()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, 'trace.json')
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())['traceEvents']
    return peak_of([event for event in events if event.get('name') == '[memory]'])


def peak_of(events: list[dict]) -> int:
    """The highest running total of ``[memory]`` events of a Chrome trace.

    A block that was there before the trace began may be freed in it, with the size that an earlier
    trace saw at its address, or with none: it counts neither way.
    """
    live: dict[int, int] = {}
    total = peak = 0
    for event in sorted(events, key=lambda event: event['ts']):
        size, address = event['args']['Bytes'], event['args']['Addr']
        if size > 0:
            live[address] = size
            total += size
        else:
            total -= live.pop(address, 0)
        peak = max(peak, total)
    return peak


def environment(seed: int) -> dict[str, object]:
    """What a figure depends on: the command, cores, threads, seed, versions, and the load."""
    return dict(
        command=shlex.join([Path(sys.executable).name, *sys.argv]),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        seed=seed,
        torch=torch.__version__,
        python=platform.python_version(),
        load=round(os.getloadavg()[0], 1),
    )


def environment_text(facts: dict[str, object]) -> str:
    """The same as a Markdown paragraph."""
    return (
        f'`{facts["command"]}`\n\n'
        f'{facts["cores"]} cores, no GPU, {facts["threads"]} thread(s), seed {facts["seed"]}, '
        f'torch {facts["torch"]}, Python {facts["python"]}, load average at the start '
        f'{facts["load"]}.\n'
    )


def write_json(content: object, file: str | Path) -> None:
    """Write all of a file or nothing."""
    file = Path(file)
    partial = file.with_name(file.name + '.part')
    partial.write_text(json.dumps(content, indent=1, allow_nan=False) + '\n')
    partial.replace(file)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch use this many threads inside the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
