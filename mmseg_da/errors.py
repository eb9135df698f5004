"""Mistakes of the user, and how the command line tells them."""

import functools
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

_IN_WORKER = re.compile(
    r'^Caught \w+ in .*?\n.*\n(?:[\w.]+\.)?UserError: (?P<message>.*)$', re.DOTALL
)
_TOLD = 'told-'  # begins the names of marks that processes leave for each other


class UserError(Exception):
    """Something that the user can mend: a missing folder, an unknown key, a foreign checkpoint.

    The message names the file or key and the fix. The tools print it alone, without a traceback,
    and exit with code 2.
    """


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn a :class:`UserError` into one message on stderr and exit code 2.

    With the environment variable ``MMSEG_DA_DEBUG`` set it passes, with its traceback.
    """
    try:
        yield
    except UserError as error:
        if os.environ.get('MMSEG_DA_DEBUG'):
            raise
        _tell(error)
        raise SystemExit(2) from None
    except RuntimeError:
        # The processes of a run lose their connection when one of them ends after its message.
        if os.environ.get('MMSEG_DA_DEBUG') or not somebody_told():
            raise
        raise SystemExit(2) from None


def tell_uncaught() -> None:
    """Do the same for a :class:`UserError` that nobody catches, such as one of our own import."""
    sys.excepthook = functools.partial(_excepthook, sys.excepthook)


def _excepthook(
    others: Callable[..., None],
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    if not isinstance(error, UserError) or os.environ.get('MMSEG_DA_DEBUG'):
        others(kind, error, trace)
        return
    _tell(error)
    raise SystemExit(2)  # which is how a hook sets the exit code


def _tell(error: UserError) -> None:
    # A data loader worker re-raises with its traceback inside the message: keep what we wrote.
    in_worker = _IN_WORKER.match(str(error))
    message = in_worker['message'].strip() if in_worker else str(error)
    if _first_to_tell(message):
        print(f'error: {message}', file=sys.stderr, flush=True)


def _first_to_tell(message: str) -> bool:
    """Whether no other process that the same torchrun started has told this message."""
    folder = _shared_folder()
    if folder is None:
        return True
    digest = hashlib.sha256(message.encode()).hexdigest()
    try:
        (folder / f'{_TOLD}{digest}').touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:
        return True
    return True


def somebody_told() -> bool:
    """Whether a process that the same torchrun started has told a mistake."""
    folder = _shared_folder()
    return folder is not None and any(folder.glob(f'{_TOLD}*'))


def _shared_folder() -> Path | None:
    """The folder in which torchrun keeps what its processes report, and which it removes."""
    report = Path(os.environ.get('TORCHELASTIC_ERROR_FILE', os.devnull))
    return report.parents[1] if report.name == 'error.json' else None
