"""Files that two data sets share, by links or as copies."""

import os
import shutil
from pathlib import Path

import pytest

from mmseg_da.datasets.linking import bring

NAMES = [Path('a.png'), Path('x/b.png')]


@pytest.fixture
def source(tmp_path):
    for number, name in enumerate(NAMES):
        path = tmp_path / 'in' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'content {number}')
        os.utime(path, ns=(10**9, 10**9 + number))
    return tmp_path / 'in'


def run(source, copy=False):
    bring(NAMES, source, source.parent / 'out', copy, 'Labels', show=False)
    return source.parent / 'out'


def test_links_lead_to_the_files_and_move_with_them(source, tmp_path):
    out = run(source)
    assert all((out / name).is_symlink() for name in NAMES)
    (tmp_path / 'moved').mkdir()
    for folder in (source, out):
        shutil.move(folder, tmp_path / 'moved' / folder.name)
    assert (tmp_path / 'moved/out/x/b.png').read_text() == 'content 1'


def test_copies_are_files_of_their_own(source):
    out = run(source, copy=True)
    (source / 'a.png').write_text('changed')
    assert (out / 'a.png').read_text() == 'content 0'
    assert not (out / 'a.png').is_symlink()


def written(path):
    """Which file it is and when it was changed; reading a link moves the time of access alone."""
    found = path.lstat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


@pytest.mark.parametrize('copy', [False, True])
def test_again_changes_nothing(source, copy):
    out = run(source, copy)
    before = {name: written(out / name) for name in NAMES}
    run(source, copy)
    assert {name: written(out / name) for name in NAMES} == before


def test_copies_take_the_place_of_links_and_of_what_is_old(source):
    out = run(source)
    assert not (run(source, copy=True) / 'a.png').is_symlink()
    (source / 'a.png').write_text('content X')
    assert (run(source, copy=True) / 'a.png').read_text() == 'content X'
    assert (source / 'x/b.png').read_text() == 'content 1'
    assert sorted(path.name for path in out.rglob('*')) == ['a.png', 'b.png', 'x']


def test_without_links_files_are_copied(source, monkeypatch):
    def no_links(*_):
        raise PermissionError('this file system has no links')

    monkeypatch.setattr(Path, 'symlink_to', no_links)
    out = run(source)
    assert [(out / name).read_text() for name in NAMES] == ['content 0', 'content 1']
    assert not (out / 'a.png').is_symlink()
