"""What the tests of the pages share."""

import pytest
from fresh_start import forget_runs
from sandbox import Sandbox


@pytest.fixture(scope='session')
def sandbox(tmp_path_factory):
    """A folder for the commands of all pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv('MMSEG_DA_DATA', raising=False)
        return Sandbox(tmp_path_factory.mktemp('documented'))


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch):
    """No run came before. And a run writes its config several times; to lay it out takes longer than to train."""

    forget_runs()

    def as_it_is(text, **_):
        return text, True

    for module in ('mmengine.config.config', 'yapf.yapflib.yapf_api'):  # by the version of mmengine
        monkeypatch.setattr(f'{module}.FormatCode', as_it_is, raising=False)
