"""Running the tools in this process."""

import os
import runpy
import sys
from pathlib import Path
from typing import NamedTuple

import mmseg
from fresh_start import forget_runs

ROOT = Path(__file__).resolve().parents[2]
TOY = str(ROOT / 'configs/small/adaptsegnet_toy.py')
UPSTREAM = Path(mmseg.__file__).parent / '.mim/tools'
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
SHORT = [
    *(f'{loader}.num_workers=0' for loader in LOADERS),
    *(f'{loader}.persistent_workers=False' for loader in LOADERS),
    'train_dataloader.batch_size=2',
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'default_hooks.checkpoint.interval=2',
    'default_hooks.logger.interval=1',
    'default_hooks.adaptation_view.interval=0',
]


class Result(NamedTuple):
    """How a tool ended."""

    code: int
    out: str
    err: str

    @property
    def mistake(self) -> str:
        """The one message of a tool that stopped because of a mistake of the user."""
        assert self.code == 2
        assert 'Traceback' not in self.err
        (start,) = [i for i, line in enumerate(self.err.splitlines()) if 'error: ' in line]
        return '\n'.join(self.err.splitlines()[start:])


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its bytes, and every folder with None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob('*'))
    }


def start(tool: Path, *args: object) -> int:
    """Run a tool as the command line does; gives its exit code."""
    before, environ = sys.argv, dict(os.environ)
    forget_runs()
    sys.argv = [str(tool), *map(str, args)]
    try:
        runpy.run_path(str(tool), run_name='__main__')
    except SystemExit as stop:
        return stop.code or 0
    finally:
        sys.argv = before
        os.environ.clear()
        os.environ.update(environ)
    return 0
