"""Training the small configs one after the other, and reading what they reached.

The demo and the benchmarks stand on it. Each trial is one run of ``tools/train.py`` in a process
of its own; a finished one leaves ``result.json`` in its folder and is not run again while its
config stays the same.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from mmengine.config import Config
from rich.progress import Progress

from mmseg_da.engine.config_files import ConfigOptions
from mmseg_da.engine.launch import read_config
from mmseg_da.engine.stages import TrainingStage, split
from mmseg_da.errors import UserError
from mmseg_da.version import __version__

_STAGE = re.compile(r'Stage (\d+ of \d+: \w+), iterations')
_READING = threading.Lock()  # mmengine reads a config by way of sys.path, which threads share
_ITERATION = re.compile(r'Iter\((train|val)\) \[\s*(\d+)/(\d+)\]')


@dataclass(frozen=True)
class Trial:
    """One training run: ``configs/small/<method>_<pair>.py`` with one seed."""

    method: str
    pair: str
    seed: int

    @property
    def config(self) -> str:
        """Its config, below the root of the repository."""
        return f'configs/small/{self.method}_{self.pair}.py'

    @property
    def name(self) -> str:
        """Its folder."""
        return f'{self.method}_{self.pair}_seed{self.seed}'


@dataclass(frozen=True)
class Result:
    """What a trial reached on the target's validation images at its last iteration.

    Attributes:
        trial: Which one.
        miou: Mean IoU in percent.
        ious: IoU in percent by class.
        iterations: Of the training; of several stages, their sum.
        seconds: Wall time, with start-up and validation.
        config: Fingerprint of the whole config, with the options.
        version: Of this package.
    """

    trial: Trial
    miou: float
    ious: dict[str, float]
    iterations: int
    seconds: float
    config: str
    version: str = __version__


def run_trial(
    trial: Trial,
    work_dir: Path,
    root: Path,
    options: Sequence[str] = (),
    progress: Progress | None = None,
) -> Result:
    """Train once, or read what an earlier call left.

    Args:
        trial: Which one.
        work_dir: Its folder is made below this one.
        root: Of the repository, with ``tools`` and ``configs``.
        options: Further ``--cfg-options``, ``key=value``.
        progress: Where to show a bar.

    Raises:
        UserError: The training failed; says why and names its log.
    """
    folder = work_dir / trial.name
    record = folder / 'result.json'
    config = fingerprint(trial, root, options)
    if record.is_file():
        earlier = read_result(record)
        if (earlier.config, earlier.version) == (config, __version__):
            return earlier
        record.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    _train(trial, folder, root, options, progress)
    stages = stages_of(trial, root, options, folder)
    miou, ious = scores(stages[-1].folder if stages else folder)
    result = Result(
        trial,
        miou=miou,
        ious=ious,
        iterations=sum(each.iterations for each in stages) or _last_scalars(folder)['step'],
        seconds=round(time.monotonic() - start, 1),
        config=config,
    )
    partial = record.with_suffix('.part')
    partial.write_text(json.dumps(asdict(result), indent=1))
    partial.replace(record)
    return result


def run_trials(
    trials: Sequence[Trial],
    work_dir: Path,
    root: Path,
    options_of: Callable[[Trial], Sequence[str]],
    progress: Progress | None = None,
    jobs: int = 1,
) -> dict[Trial, Result]:
    """Train several, ``jobs`` at a time; see :func:`run_trial`.

    One that fails keeps those that wait from starting, not those that run from ending.
    """
    failed = threading.Event()

    def attempt(trial: Trial) -> Result:
        if failed.is_set():
            raise CancelledError
        try:
            return run_trial(trial, work_dir, root, options_of(trial), progress)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(jobs) as pool:
        # In order: the one that failed comes before those that it kept from starting.
        futures = {trial: pool.submit(attempt, trial) for trial in trials}
        return {trial: future.result() for trial, future in futures.items()}


def fingerprint(trial: Trial, root: Path, options: Sequence[str]) -> str:
    """Twelve digits that change with the merged config, and with nothing else."""
    text = _config(trial, root, options).pretty_text
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def stages_of(
    trial: Trial, root: Path, options: Sequence[str], folder: Path
) -> list[TrainingStage]:
    """The stages of a trial that writes into ``folder``; none if its config has none."""
    cfg = _config(trial, root, options)
    cfg.work_dir = str(folder)
    return split(cfg) if cfg.get('stages') else []


def scores(folder: Path) -> tuple[float, dict[str, float]]:
    """What the last validation of a training, or of a stage, measured: mIoU, and IoU by class."""
    scalars = _last_scalars(folder)
    ious = {key[4:]: value for key, value in scalars.items() if key.startswith('IoU.')}
    return scalars['mIoU'], ious


def _config(trial: Trial, root: Path, options: Sequence[str]) -> Config:
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, default={})
    parsed = parser.parse_args(['--cfg-options', *options] if options else [])
    with _READING:
        return read_config(str(root / trial.config), parsed.cfg_options)


def read_result(record: Path) -> Result:
    """The result that :func:`run_trial` wrote."""
    fields = json.loads(record.read_text())
    return Result(**fields | dict(trial=Trial(**fields['trial'])))


def _train(
    trial: Trial, folder: Path, root: Path, options: Sequence[str], progress: Progress | None
) -> None:
    log = folder / 'output.txt'
    command = [
        sys.executable,
        '-u',
        'tools/train.py',
        trial.config,
        '--work-dir',
        str(folder.resolve()),
        '--cfg-options',
        f'randomness.seed={trial.seed}',
        *options,
    ]
    bar = progress.add_task(trial.name, total=None) if progress else None
    with (
        log.open('w') as output,
        subprocess.Popen(
            command,
            cwd=root,
            # One thread: on cores that are busy, several wait for each other far longer than they win.
            env=dict(OMP_NUM_THREADS='1') | os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for line in process.stdout:
            output.write(line)
            if progress and (stage := _STAGE.search(line)):
                progress.update(bar, description=f'{trial.name}, {stage[1]}')
            if progress and (match := _ITERATION.search(line)) and match[1] == 'train':
                progress.update(bar, completed=int(match[2]), total=int(match[3]))
    if process.returncode:
        raise UserError(f'{trial.config} failed, see {log}: {_reason(log.read_text())}')


def _reason(output: str) -> str:
    """What a tool said when it failed: its message, or else its last line."""
    told = re.search(r'^error: (.*)', output, re.DOTALL | re.MULTILINE)
    return told[1].strip() if told else (output.splitlines() or ['no output'])[-1]


def _last_scalars(folder: Path) -> dict[str, float]:
    files = sorted(folder.glob('*/vis_data/scalars.json'))
    for line in reversed(files[-1].read_text().splitlines()):
        scalars = json.loads(line)
        if 'mIoU' in scalars:
            return scalars
    raise UserError(f'{files[-1]}: no validation result; set train_cfg.val_interval')
