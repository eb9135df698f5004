"""The fixtures of the compatibility tests."""

from pathlib import Path

import pytest
from compat_helpers import make_runner

from mmseg_da.compat import checkpoint


@pytest.fixture(scope='session')
def trained(tmp_path_factory) -> Path:
    """Give the work_dir of a finished training, with ``iter_2.pth`` and ``iter_4.pth``."""
    work_dir = tmp_path_factory.mktemp('trained')
    make_runner(work_dir).train()
    return work_dir


@pytest.fixture(params=['torch', 'old torch'])
def each_unpickler(request, monkeypatch) -> str:
    """Run a test with torch's unpickler, and with the one that torch 2.1 to 2.5 is given."""
    if request.param == 'old torch':
        monkeypatch.setattr(checkpoint, '_OLD_TORCH', True)
    elif checkpoint._OLD_TORCH:
        pytest.skip("this torch's own unpickler takes no further names")
    return request.param
