"""What is built from a checkout."""

import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mmseg_da.compat import distributions
from mmseg_da.version import __version__

ROOT = Path(__file__).resolve().parents[1]
OPENMMLAB = {name for names in distributions.OWNERS.values() for name in names}


@pytest.fixture(scope='module')
def checkout(tmp_path_factory) -> Path:
    """Give a copy to build from, as a build leaves its folders behind."""
    copy = tmp_path_factory.mktemp('checkout')
    for name in ('mmseg_da', 'configs', 'tools', 'tests'):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'model-index.yml'):
        shutil.copy2(ROOT / name, copy)
    return copy


@pytest.fixture(scope='module')
def wheel(checkout) -> zipfile.ZipFile:
    """Build a wheel, without any download."""
    left_by_a_run = checkout / 'tools' / '__pycache__' / 'train.pyc'
    left_by_a_run.parent.mkdir()
    left_by_a_run.touch()
    done = subprocess.run(
        [sys.executable, '-m', 'pip', 'wheel', '.', '--no-deps', '--no-build-isolation'],
        cwd=checkout,
        env={**os.environ, 'PIP_NO_INDEX': '1', 'PIP_DISABLE_PIP_VERSION_CHECK': '1'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = checkout.glob('*.whl')
    assert path.name == f'mmseg_da-{__version__}-py3-none-any.whl'
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_the_package_and_what_mim_looks_for(checkout, wheel):
    def files(*folders: str) -> set[str]:
        found = (path for folder in folders for path in (checkout / folder).rglob('*.*'))
        return {path.relative_to(checkout).as_posix() for path in found if path.suffix != '.pyc'}

    mim = files('configs', 'tools') | {'model-index.yml'}
    assert {'configs/adaptsegnet_gta2cs.py', 'tools/train.py'} < mim
    info = f'mmseg_da-{__version__}.dist-info/'
    content = {name for name in wheel.namelist() if not name.startswith(info)}
    assert content == files('mmseg_da') | {f'mmseg_da/.mim/{name}' for name in mim}


def test_the_metadata_requires_no_openmmlab_package(wheel):
    text = wheel.read(f'mmseg_da-{__version__}.dist-info/METADATA').decode()
    metadata = email.message_from_string(text)
    assert SpecifierSet(metadata['Requires-Python']) == SpecifierSet('>=3.10,<3.13')
    requirements = [Requirement(item) for item in metadata.get_all('Requires-Dist')]
    hard = {item.name for item in requirements if item.marker is None}
    assert hard == {'torch', 'numpy', 'packaging', 'pillow'}
    extras = {
        extra: {item.name for item in requirements if _is_of(item, extra)}
        for extra in metadata.get_all('Provides-Extra')
    }
    assert extras['openmmlab'] == {'mmsegmentation', 'mmengine', 'ftfy', 'regex'}
    assert extras['lite'] == extras['openmmlab'] | {'mmcv-lite'}
    assert extras['onedl'] == {'torch', 'onedl-mmsegmentation', 'onedl-mmengine', 'onedl-mmcv'}
    assert not (extras['dev'] | extras['cityscapes']) & OPENMMLAB
    assert set(extras) == {'openmmlab', 'lite', 'onedl', 'cityscapes', 'dev'}


def _is_of(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({'extra': extra})


def test_the_citation_is_of_this_version():
    text = (ROOT / 'CITATION.cff').read_text(encoding='utf-8')
    assert re.search(r'^version: (.+)$', text, re.MULTILINE)[1] == __version__
