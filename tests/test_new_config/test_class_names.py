"""``--classes``: names on the command line or in a file, however an editor saves it."""

import pytest

from mmseg_da.errors import UserError
from mmseg_da.new_config import class_names

NAMES = ('road', 'traffic sign', 'Straße')


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig'])
@pytest.mark.parametrize('newline', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize('end', ['', '\n', '\n\n'])
def test_a_file_of_any_editor_is_read(tmp_path, encoding, newline, end):
    file = tmp_path / 'names.txt'
    text = ('\n'.join(f' {name} ' for name in NAMES) + end).replace('\n', newline)
    file.write_bytes(text.encode(encoding))
    assert class_names(f'@{file}') == NAMES


@pytest.mark.parametrize('encoding', ['latin-1', 'utf-16'])
def test_a_file_of_another_encoding_is_told(tmp_path, encoding):
    file = tmp_path / 'names.txt'
    file.write_bytes('\n'.join(NAMES).encode(encoding))
    with pytest.raises(UserError, match=r'names\.txt: .*UTF-8'):
        class_names(f'@{file}')


def test_a_folder_is_no_list(tmp_path):
    with pytest.raises(UserError, match='no such file'):
        class_names(f'@{tmp_path}')


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('road,,sky', "the name of class 1, after 'road', is empty"),
        (',road,sky', 'the name of class 0 is empty'),
        ('road,sky,road', "'road' is named twice, as the classes 0 and 2"),
        ('road', '1 names; a segmentor tells 2 to 255'),
    ],
)
def test_names_that_shift_the_numbers_are_told(tmp_path, text, said):
    file = tmp_path / 'names.txt'
    file.write_text(text.replace(',', '\n'))
    for given in (text, f'@{file}'):
        with pytest.raises(UserError, match=f'--classes.*{said}'):
            class_names(given)


def test_a_comma_at_the_end_is_told():
    with pytest.raises(UserError, match="the name of class 2, after 'sky', is empty"):
        class_names('road, sky, ')
