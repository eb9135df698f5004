"""What is built from a checkout, and how ``make`` sets up environments for it."""

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
    assert hard == {'torch', 'numpy', 'packaging', 'pillow', 'jinja2', 'matplotlib'}
    extras = {
        extra: {item.name for item in requirements if _is_of(item, extra)}
        for extra in metadata.get_all('Provides-Extra')
    }
    assert extras['openmmlab'] == {'mmsegmentation', 'mmengine', 'ftfy', 'regex'}
    assert extras['lite'] == extras['openmmlab'] | {'mmcv-lite'}
    assert extras['onedl'] == {'torch', 'onedl-mmsegmentation', 'onedl-mmengine', 'onedl-mmcv'}
    assert not (extras['dev'] | extras['cityscapes']) & OPENMMLAB
    assert set(extras) == {'openmmlab', 'lite', 'onedl', 'cityscapes', 'docs', 'dev'}


def test_the_wheel_brings_one_command(wheel):
    text = wheel.read(f'mmseg_da-{__version__}.dist-info/entry_points.txt').decode()
    assert text.split('\n')[:2] == ['[console_scripts]', 'mmseg-da = mmseg_da.command:main']


def _is_of(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({'extra': extra})


def test_the_citation_is_of_this_version():
    text = (ROOT / 'CITATION.cff').read_text(encoding='utf-8')
    assert re.search(r'^version: (.+)$', text, re.MULTILINE)[1] == __version__


@pytest.fixture
def make(tmp_path):
    """Give what ``make`` would run, for an environment that may be there already."""
    if shutil.which('make') is None:
        pytest.skip('no make')
    environment = {k: v for k, v in os.environ.items() if k not in ('TORCH', 'CONSTRAINTS')}

    def dry_run(*arguments: str) -> str:
        done = subprocess.run(
            ['make', '-n', f'VENV={tmp_path}', f'VENV_ONEDL={tmp_path / "onedl"}', *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return dry_run


def installs(commands: str) -> list[str]:
    return [
        line.split('pip install ', 1)[1].strip()
        for line in commands.splitlines()
        if 'm pip i' in line
    ]


def test_make_installs_the_pinned_torch_first(make):
    first, _ = installs(make('test'))
    assert first == "'torch==2.13.0' -c constraints.txt"


def test_make_keeps_the_torch_that_was_chosen(make, tmp_path):
    stamp = tmp_path / '.ready'
    stamp.write_text('torch==2.6.0 numpy<2\n\n')
    assert installs(make('test')) == []
    assert installs(make('test', 'TORCH=torch==2.6.0'))  # less than what was chosen
    assert installs(make('setup', 'TORCH=torch==2.6.0 numpy<2', 'CONSTRAINTS=')) == []
    os.utime(stamp, (0, 0))  # as if setup.py had changed since
    first, second = installs(make('test'))
    assert first.split() == ["'torch==2.6.0'", "'numpy<2'"]
    assert second.endswith("-e '.[lite,dev]' 'torch==2.6.0' 'numpy<2'")
    assert installs(make('setup-onedl'))[0] == "'torch==2.13.0' -c constraints-onedl.txt"


def test_make_switches_the_torch_when_another_is_named(make, tmp_path):
    (tmp_path / '.ready').write_text('torch==2.6.0\n\n')
    assert installs(make('setup', 'TORCH=torch==2.7.0'))[0].split() == ["'torch==2.7.0'"]
    pinned = make('setup', 'TORCH=torch==2.13.0', 'CONSTRAINTS=constraints.txt')
    assert installs(pinned)[0] == "'torch==2.13.0' -c constraints.txt"
