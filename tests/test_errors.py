"""The user reads one message, wherever the error came from."""

import subprocess
import sys

import pytest
from torch.utils.data import DataLoader, Dataset

from mmseg_da import errors
from mmseg_da.errors import UserError, user_errors

MESSAGE = 'no images in data/gta: it is empty.\nRun: python tools/dataset_converters/gta.py'


class Broken(Dataset):
    """Fails in the worker; ``chained`` keeps the error that it comes from."""

    def __init__(self, chained: bool) -> None:
        self.chained = chained

    def __len__(self):
        return 1

    def __getitem__(self, index):
        try:
            raise OSError('underneath')
        except OSError as error:
            raise UserError(MESSAGE) from (error if self.chained else None)


def told(capsys, action) -> str:
    with pytest.raises(SystemExit) as caught, user_errors():
        action()
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    return captured.err


def test_a_user_error_is_one_message_and_code_2(capsys):
    def action():
        raise UserError(MESSAGE)

    assert told(capsys, action) == f'error: {MESSAGE}\n'


@pytest.mark.stack
@pytest.mark.parametrize('chained', [True, False])
def test_a_user_error_of_a_loader_worker_is_the_same_message(capsys, chained):
    loader = DataLoader(Broken(chained), num_workers=1)
    assert told(capsys, lambda: next(iter(loader))) == f'error: {MESSAGE}\n'


def test_a_message_that_quotes_a_worker_is_kept(capsys):
    message = 'Caught a cold in the worker.\nUserError: is what this is about'

    def action():
        raise UserError(message)

    assert told(capsys, action) == f'error: {message}\n'


def test_other_errors_pass():
    with pytest.raises(ValueError, match='a bug'), user_errors():
        raise ValueError('a bug')


def test_the_traceback_can_be_asked_for(monkeypatch):
    monkeypatch.setenv('MMSEG_DA_DEBUG', '1')
    with pytest.raises(UserError, match='no images'), user_errors():
        raise UserError(MESSAGE)


@pytest.mark.parametrize(
    ('error', 'code', 'told'),
    [('UserError("mend it")', 2, 'error: mend it\n'), ('ValueError("a bug")', 1, 'Traceback')],
)
def test_an_uncaught_user_error_is_told_alike(error, code, told):
    # The file alone: importing the package would take seconds and is not what is tested.
    program = (
        'import importlib.util as u, sys; s = u.spec_from_file_location("errors", sys.argv[1]);'
        'm = u.module_from_spec(s); s.loader.exec_module(m); m.tell_uncaught();'
        f'UserError = m.UserError; raise {error}'
    )
    ended = subprocess.run(
        [sys.executable, '-c', program, errors.__file__], capture_output=True, text=True
    )
    assert ended.returncode == code
    assert ended.stderr.startswith(told)
    assert (ended.stderr == told) is (code == 2)


@pytest.fixture
def of_two_processes(tmp_path, monkeypatch):
    """Take the place of one of the processes that a torchrun started."""

    def be(rank: int) -> None:
        (tmp_path / str(rank)).mkdir(exist_ok=True)
        monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(tmp_path / str(rank) / 'error.json'))

    return be


def test_processes_tell_the_same_mistake_once(of_two_processes, capsys):
    for rank, message in ((0, 'no such folder'), (1, 'no such folder'), (1, 'another one')):
        of_two_processes(rank)
        with pytest.raises(SystemExit) as stop, user_errors():
            raise UserError(message)
        assert stop.value.code == 2
    assert capsys.readouterr().err == 'error: no such folder\nerror: another one\n'


def test_a_connection_lost_to_a_process_that_told_is_no_news(of_two_processes, capsys):
    of_two_processes(0)
    with pytest.raises(RuntimeError, match='lost'), user_errors():
        raise RuntimeError('lost')  # nobody has told anything: this is the news
    of_two_processes(1)
    with pytest.raises(SystemExit), user_errors():
        raise UserError('no such folder')
    of_two_processes(0)
    with pytest.raises(SystemExit) as stop, user_errors():
        raise RuntimeError('lost')
    assert stop.value.code == 2
    assert capsys.readouterr().err == 'error: no such folder\n'
