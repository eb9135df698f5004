"""The start of a run: told where it fails, and leaving no trace if it does."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn

from mmseg_da.errors import UserError, somebody_told

_LONGEST = 400


class Progress(Hook):
    """Notes which of training, validation and testing have finished an iteration.

    Not registered: it belongs to the tools.
    """

    priority = 'HIGHEST'

    def __init__(self) -> None:
        self.runner: Runner | None = None
        self.stage = 'train'
        self.done: set[str] = set()

    def follow(self, runner: Runner) -> None:
        """Look at a runner from now on."""
        self.runner = runner
        runner.register_hook(self)

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        self.stage = 'train'

    def before_val(self, runner: Runner) -> None:
        self.stage = 'val'

    def before_test(self, runner: Runner) -> None:
        self.stage = 'test'

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        self.done.add('train')

    def after_val_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        self.done.add('val')

    def after_test_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        self.done.add('test')


@contextmanager
def starting(cfg: Config) -> Iterator[Progress]:
    """Tell what stops a run before it gets going, and put its folder back as it was.

    A config can name parts that exist but do not fit each other, which the first iteration shows.
    What comes later is no mistake of the config and keeps its traceback.

    Args:
        cfg: The config of the run, with its ``work_dir``.

    Yields:
        What has to follow the runner once it is built.

    Raises:
        UserError: What a part raised in its first iteration; names the part of the model.
    """
    progress, folder = Progress(), _Folder(cfg)
    try:
        yield progress
    except Exception as error:
        lost = isinstance(error, RuntimeError) and somebody_told()  # the others have gone
        if progress.stage in progress.done or lost:
            raise
        if not progress.done:
            folder.restore()
        if isinstance(error, UserError) or progress.runner is None:
            raise
        raise UserError(_describe(error, progress, cfg)) from error


def _describe(error: Exception, progress: Progress, cfg: Config) -> str:
    stage = dict(train='training', val='validation', test='test')[progress.stage]
    part = _failing_part(error.__traceback__, progress.runner.model)
    text = ' '.join(str(error).split())
    text = text if len(text) <= _LONGEST else f'{text[:_LONGEST]} ...'
    return (
        f'{cfg.filename}: the first {stage} iteration failed{f" in {part}" if part else ""}: '
        f'{type(error).__name__}: {text}. MMSEG_DA_DEBUG=1 shows the traceback.'
    )


def _failing_part(trace: TracebackType | None, model: nn.Module) -> str | None:
    """The innermost part of a model that was running, by its path in the config."""
    names = {id(module): name for name, module in model.named_modules()}
    found = None
    while trace is not None:
        name = names.get(id(trace.tb_frame.f_locals.get('self')))
        if name:
            found = f'model.{name}'
        trace = trace.tb_next
    return found


class _Folder:
    """What a run that does not start changes in its working directory."""

    def __init__(self, cfg: Config) -> None:
        self.work_dir = Path(cfg.work_dir).absolute()
        self.made = [each for each in (self.work_dir, *self.work_dir.parents) if not each.exists()]
        self.dumped = self.work_dir / Path(cfg.filename or 'config.py').name
        self.before = self.dumped.read_bytes() if self.dumped.is_file() else None
        self.runs = set(self._runs())

    def restore(self) -> None:
        """Remove the log, the copy of the config, and folders that hold nothing else."""
        log = _close_log()
        with suppress(OSError):
            if log is not None and self.work_dir in log.parents:  # of the process that writes
                shutil.rmtree(log.parent, ignore_errors=True)
                if self.before is None:
                    self.dumped.unlink(missing_ok=True)
                else:
                    self.dumped.write_bytes(self.before)
            for folder in set(self._runs()) - self.runs:
                with suppress(OSError):
                    folder.rmdir()
            for folder in self.made:
                folder.rmdir()

    def _runs(self) -> Iterator[Path]:
        """The folders that mmengine makes, named by the time."""
        return self.work_dir.glob('[0-9]*_[0-9]*')


def _close_log() -> Path | None:
    """End the log file of the present run; gives its path."""
    path = None
    logger = MMLogger.get_current_instance()
    for handler in list(logger.handlers):
        if isinstance(handler, logging.FileHandler):
            path = Path(handler.baseFilename)
            handler.close()
            logger.removeHandler(handler)
    return path
