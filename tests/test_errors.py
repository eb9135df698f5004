"""The user reads one message, wherever the error came from."""

import pytest
from torch.utils.data import DataLoader, Dataset

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
