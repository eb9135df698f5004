"""torchrun, which leaves it to the processes to tell a mistake of the user.

Takes the arguments of ``python -m torch.distributed.run``. Where a process ends with code 2, after
one message, so does this, without a traceback of its own; told to end by a signal, with 128 plus it.
"""

import logging
import sys

from torch.distributed import run
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

# What torchrun says of processes that fail or are told to end: they have said it themselves.
NOISE = ('failed (exitcode', 'Sending process', 'Received %s death signal')


def quiet(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(NOISE)


def main() -> None:
    for name in ('multiprocessing.api', 'agent.server.api'):
        logging.getLogger(f'torch.distributed.elastic.{name}').addFilter(quiet)
    try:
        run.main(sys.argv[1:])
    except ChildFailedError as error:
        if 2 in {failure.exitcode for failure in error.failures.values()}:
            raise SystemExit(2) from None
        raise SystemExit(str(error)) from None
    except RuntimeError as error:
        if 'address already in use' not in str(error).lower():
            raise
        given = run.parse_args(sys.argv[1:])
        print(
            f'error: port {given.master_port} of {given.master_addr} is taken, as by another run: '
            'set PORT to a free one, e.g. PORT=29501',
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    except SignalException as stop:
        raise SystemExit(128 + stop.sigval) from None


if __name__ == '__main__':
    main()
