"""Mistakes of the user, and how the command line tells them."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_IN_WORKER = re.compile(
    r'^Caught \w+ in .*?\n.*\n(?:[\w.]+\.)?UserError: (?P<message>.*)$', re.DOTALL
)


class UserError(Exception):
    """Something that the user can mend: a missing folder, an unknown key, a foreign checkpoint.

    The message names the file or key and the fix. The tools print it alone, without a traceback,
    and exit with code 2.
    """


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn a :class:`UserError` into one message on stderr and exit code 2."""
    try:
        yield
    except UserError as error:
        # A data loader worker re-raises with its traceback inside the message: keep what we wrote.
        in_worker = _IN_WORKER.match(str(error))
        message = in_worker['message'].strip() if in_worker else str(error)
        print(f'error: {message}', file=sys.stderr, flush=True)
        raise SystemExit(2) from None
