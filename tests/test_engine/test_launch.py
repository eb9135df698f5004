"""Reading configs, as all tools do."""

import sys

import pytest

from mmseg_da.engine.launch import read_config
from mmseg_da.errors import UserError


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A config in a folder of its own, which imports a module that lies beside it."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'project'
    folder.mkdir()
    (folder / 'own_method_of_a_test.py').write_text('LOADED = True')
    text = "custom_imports = dict(imports=['own_method_of_a_test'], allow_failed_imports=False)"
    (folder / 'config.py').write_text(text)
    yield folder
    sys.modules.pop('own_method_of_a_test', None)


@pytest.mark.stack
def test_a_module_beside_the_config_is_found(beside):
    read_config('project/config.py', None)
    assert sys.modules['own_method_of_a_test'].LOADED
    assert sys.path[-1] == str(beside)  # behind all others: it shadows none of them
    before = list(sys.path)
    read_config('project/config.py', None)
    assert sys.path == before


def test_a_module_elsewhere_is_told_by_its_name(beside):
    (beside / 'own_method_of_a_test.py').unlink()
    with pytest.raises(UserError, match=r'config\.py: not a valid config: .*own_method_of_a_test'):
        read_config('project/config.py', None)
