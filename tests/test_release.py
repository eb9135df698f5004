"""What a release says of itself agrees, and stays small."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from mmseg_da.version import __version__

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 200 * 1000


def tracked() -> list[Path]:
    """Every file that git knows of or would add."""
    command = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip('no clone')
    return [path for name in set(done.stdout.split('\0')[:-1]) if (path := ROOT / name).is_file()]


def test_no_file_is_large():
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked()}
    assert len(sizes) > 500
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def citation() -> dict:
    return yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))


def test_version_and_licence_are_the_same_everywhere():
    text = (ROOT / 'LICENSE').read_text(encoding='utf-8')
    assert 'Apache License' in text
    assert 'Version 2.0, January 2004' in text
    assert 'APPENDIX: How to apply the Apache License' in text
    assert citation()['version'] == __version__
    assert citation()['license'] == 'Apache-2.0'
    assert "license='Apache-2.0'" in (ROOT / 'setup.py').read_text(encoding='utf-8')
    assert 'Licence: Apache-2.0' in (ROOT / 'README.md').read_text(encoding='utf-8')


def test_the_citation_can_be_cited():
    found = citation()
    assert found['cff-version'] == '1.2.0'
    assert found['type'] == 'software'
    assert {'message', 'title', 'authors'} <= set(found)


def test_the_changelog_knows_the_version():
    text = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    headings = re.findall(r'^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$', text, re.MULTILINE)
    assert headings[0] == ('Unreleased', '')
    released = headings[1:]
    assert all(date for _, date in released)
    numbers = [tuple(map(int, version.split('.'))) for version, _ in released]
    assert numbers == sorted(numbers, reverse=True)
    if released:  # before the first release there is a version to come
        assert released[0][0] == __version__


def test_pre_commit_checks_what_make_lint_does():
    hooks = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos'][0]['hooks']
    entries = {hook['id']: hook['entry'].removesuffix(' --force-exclude') for hook in hooks}
    assert set(entries) == {'ruff-check', 'ruff-format', 'mypy', 'check-added-large-files'}
    assert f'--maxkb={LARGEST // 1000}' in entries['check-added-large-files']
    lint = re.search(r'^lint:.*\n((?:\t.*\n)+)', (ROOT / 'Makefile').read_text(), re.MULTILINE)[1]
    for tool in ('ruff check', 'ruff format', 'mypy'):
        assert tool in lint
        assert tool in entries.values()


def test_the_core_is_typed():
    tomllib = pytest.importorskip('tomllib', reason='Python 3.11')
    checked = tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['mypy']['files']
    core = ('functional', 'structures', 'visualization', 'errors.py', 'registry.py', 'version.py')
    assert {f'mmseg_da/{name}' for name in core} <= set(checked)
    assert all((ROOT / name).exists() for name in checked)
