"""Two families of packages in one environment, by real metadata folders."""

import runpy
import shlex
import sys
from pathlib import Path

import pytest
import setuptools

from mmseg_da.compat import distributions, versions
from mmseg_da.errors import UserError

SETUP = Path(__file__).resolve().parents[2] / 'setup.py'


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Make a path that holds the distributions a test asks for, and no others."""

    def install(**found: str):
        for name, version in found.items():
            folder = tmp_path / f'{name}-{version}.dist-info'
            folder.mkdir()
            text = f'Metadata-Version: 2.1\nName: {name.replace("_", "-")}\nVersion: {version}\n'
            (folder / 'METADATA').write_text(text)

    monkeypatch.setattr(sys, 'path', [str(tmp_path)])
    for module in distributions.OWNERS:
        monkeypatch.delitem(sys.modules, module, raising=False)
    return install


def test_one_family_is_fine(site):
    site(mmengine='0.10.7', mmcv_lite='2.1.0', mmsegmentation='1.2.2')
    assert distributions.owners('mmcv') == {'mmcv-lite': '2.1.0'}
    assert distributions.double_installs() == []
    assert not distributions.is_onedl('mmseg')


def test_two_families_are_told_with_one_command(site):
    site(mmengine='0.10.7', onedl_mmengine='0.10.12', onedl_mmsegmentation='1.4.2')
    (message,) = distributions.double_installs()
    assert 'mmengine 0.10.7 and onedl-mmengine 0.10.12 are both installed' in message
    command = 'pip uninstall -y mmengine onedl-mmengine onedl-mmsegmentation && pip install'
    assert f'{command} "onedl-mmsegmentation>=1.4.2,<1.5" "onedl-mmengine' in message
    with pytest.warns(UserWarning, match='overwrite each other in mmengine/'):
        distributions.warn_double_installs()


def test_the_word_splitter_is_found(site):
    site(mmseg='1.3.0', mmsegmentation='1.2.2')
    (message,) = distributions.double_installs()
    assert 'mmsegmentation 1.2.2 and mmseg 1.3.0' in message
    assert message.endswith(
        'pip install "mmsegmentation>=1.2.2,<1.3" "mmengine>=0.10.7,<0.11" ftfy regex '
        '"mmcv-lite>=2.1.0,<2.2"'
    )


def test_nothing_installed(site):
    assert distributions.owners('mmseg') == {}
    assert not distributions.is_onedl('mmseg')
    assert distributions.double_installs() == []


@pytest.mark.parametrize('extra', ['lite', 'onedl'])
def test_the_commands_install_what_setup_py_asks_for(monkeypatch, extra):
    declared = {}
    monkeypatch.setattr(setuptools, 'setup', lambda **metadata: declared.update(metadata))
    runpy.run_path(str(SETUP))
    command = shlex.split(distributions.install_command(extra))
    assert command == ['pip', 'install', *declared['extras_require'][extra]]
    ranges = versions.ONEDL if extra == 'onedl' else versions.UPSTREAM
    kind = 'onedl' if extra == 'onedl' else 'upstream'
    for name in ('mmengine', 'mmseg'):
        assert versions._PACKAGES[kind][name] + ranges[name] in command


@pytest.mark.parametrize('name', ['mmengine', 'mmseg'])
def test_what_is_not_installed_needs_no_release_of_this_package(site, name):
    with pytest.raises(UserError) as caught:
        versions.require_versions(name)
    message = f'{name} is not installed. Run: {distributions.install_command("lite")}'
    assert str(caught.value) == message


def test_a_missing_requirement_needs_no_release_of_this_package(site, tmp_path, monkeypatch):
    (tmp_path / 'mmengine').mkdir()
    (tmp_path / 'mmengine' / '__init__.py').write_text('import no_such_module')
    with pytest.raises(UserError) as caught:
        versions.require_versions('mmengine')
    message = 'mmengine needs the module no_such_module. Run: pip install "mmsegmentation>=1.2.2'
    assert message in str(caught.value)
