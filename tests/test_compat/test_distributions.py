"""Two families of packages in one environment, by real metadata folders."""

import sys

import pytest

from mmseg_da.compat import distributions


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Make a path that holds the distributions a test asks for, and no others."""

    def install(**versions: str):
        for name, version in versions.items():
            folder = tmp_path / f'{name}-{version}.dist-info'
            folder.mkdir()
            text = f'Metadata-Version: 2.1\nName: {name.replace("_", "-")}\nVersion: {version}\n'
            (folder / 'METADATA').write_text(text)

    monkeypatch.setattr(sys, 'path', [str(tmp_path)])
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
    assert f'{command} "mmseg-da[onedl]"' in message
    with pytest.warns(UserWarning, match='overwrite each other in mmengine/'):
        distributions.warn_double_installs()


def test_the_word_splitter_is_found(site):
    site(mmseg='1.3.0', mmsegmentation='1.2.2')
    (message,) = distributions.double_installs()
    assert 'mmsegmentation 1.2.2 and mmseg 1.3.0' in message
    assert 'mmseg-da[lite]' in message


def test_nothing_installed(site):
    assert distributions.owners('mmseg') == {}
    assert not distributions.is_onedl('mmseg')
    assert distributions.double_installs() == []
