"""What cannot be written is told before any work; what is written is whole."""

import os

import pytest

from mmseg_da.datasets.outputs import require_own_names, require_writable, write_atomically
from mmseg_da.errors import UserError


def test_a_folder_that_can_be_made_is_not_made(tmp_path):
    require_writable(tmp_path, '--out')
    require_writable(tmp_path / 'a/b', '--out')
    assert list(tmp_path.iterdir()) == []


def test_a_relative_folder_is_looked_for_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_writable('a/b', '--out')
    (tmp_path / 'a').touch()
    with pytest.raises(UserError, match='a is no folder'):
        require_writable('a/b', '--out')


@pytest.mark.parametrize('below', ['file', 'file/a', 'file/a/b', 'link'])
def test_a_file_in_the_way_is_named(tmp_path, below):
    (tmp_path / 'file').touch()
    (tmp_path / 'link').symlink_to('nowhere')
    there = below.split('/')[0]
    with pytest.raises(UserError, match=rf'--out: cannot .*{below}, because .*/{there} is no'):
        require_writable(tmp_path / below, '--out')


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_a_locked_folder_is_named(tmp_path):
    (tmp_path / 'locked').mkdir(mode=0o500)
    with pytest.raises(UserError, match=r'no permission in .*/locked'):
        require_writable(tmp_path / 'locked/a', '--out')


def test_images_of_several_names_get_predictions_of_their_own():
    require_own_names(['Rome/a.png', 'Rome/b.png', 'Rome/a.b.png'], '--out')
    require_own_names([], '--out')


@pytest.mark.parametrize('second', ['Rio/a.png', 'Rome/a.jpg', 'Rome/a.png'])
def test_images_of_one_name_are_named(second):
    said = rf'--out: the predictions of Rome/a\.png and {second} would both be a\.png'
    with pytest.raises(UserError, match=said):
        require_own_names(['Rome/a.png', 'Rome/b.png', second], '--out')


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / 'note'
    for content in (b'first', b'second'):
        write_atomically(file, content)
        assert file.read_bytes() == content

    def no_room(path, content):
        with path.open('wb') as half:
            half.write(content[:2])
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('pathlib.Path.write_bytes', no_room)
    with pytest.raises(OSError, match='No space left'):
        write_atomically(file, b'third')
    assert file.read_bytes() == b'second'
    assert list(tmp_path.iterdir()) == [file]
