"""The tools that write data sets as commands; what they write is tested in test_datasets/test_conversion.py."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from street_data import LAYOUTS

TOOLS = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters'


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a tool with arguments; gives its exit code, stdout and stderr."""

    def run_tool(name, *args):
        monkeypatch.setattr(sys, 'argv', [name, *map(str, args)])
        code = 0
        try:
            runpy.run_path(str(TOOLS / name), run_name='__main__')
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run_tool


def save(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.uint8(ids)).save(path)


@pytest.fixture
def gta(tmp_path):
    for number in range(1, 5):
        save(tmp_path / f'gta/images/0000{number}.png', np.zeros((2, 2, 3)))
        save(tmp_path / f'gta/labels/0000{number}.png', [[7, 8], [11, 0]])
    return tmp_path / 'gta'


def test_gta_converts(run, gta):
    code, out, _ = run('gta.py', gta, '--nproc', 2, '--val', 1)
    assert (code, out) == (0, f'4 labels are converted; lists: {gta}/*.txt\n')
    with Image.open(gta / 'labels/00004_labelTrainIds.png') as image:
        assert np.asarray(image).tolist() == [[0, 1], [2, 255]]
    assert (gta / 'val.txt').read_text() == '00004\n'


def test_gta_takes_other_folders(run, gta):
    (gta / 'labels').rename(gta / 'ids')
    code, out, _ = run('gta.py', gta, '--gt-dir', 'ids', '-o', gta.parent / 'new')
    assert code == 0
    assert f'{gta.parent}/new/*.txt' in out
    assert len(list((gta.parent / 'new/ids').glob('*_labelTrainIds.png'))) == 4


def test_cityscapes_converts(run, tmp_path):
    save(tmp_path / 'gtCoarse/val/x/x_000000_000019_gtCoarse_labelIds.png', [[26, 33]])
    code, out, _ = run('cityscapes.py', tmp_path, '--gt-dir', 'gtCoarse', '-o', tmp_path / 'new')
    assert code == 0
    assert '1 labels are converted' in out
    assert (tmp_path / 'new/val.txt').read_text() == 'x/x_000000_000019\n'
    name = 'gtCoarse/val/x/x_000000_000019_gtCoarse_labelTrainIds.png'
    with Image.open(tmp_path / 'new' / name) as image:
        assert np.asarray(image).tolist() == [[13, 18]]


def test_bad_files_are_listed_without_traceback(run, gta):
    (gta / 'labels/00002.png').write_bytes(b'\x89PNG nothing more')
    save(gta / 'labels/00003.png', np.zeros((2, 2, 3)))
    save(gta / 'labels/00004.png', [[0, 99], [0, 0]])
    code, out, err = run('gta.py', gta)
    assert code == 2
    assert out == ''
    assert 'error: 3 of 4 labels were not converted' in err
    for name, reason in (('2', 'cannot be read'), ('3', 'holds RGB'), ('4', 'holds id 99')):
        assert f'{gta}/labels/0000{name}.png {reason}' in err
    assert 'Traceback' not in err
    written = sorted(p.name for p in (gta / 'labels').iterdir() if len(p.name) > len('00001.png'))
    assert written == ['00001_labelTrainIds.png']
    assert (gta / 'train.txt').read_text() == '00001\n'


@pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS)
def test_each_tool_converts_with_progress_and_goes_on(run, tmp_path, monkeypatch, layout):
    monkeypatch.setenv('FORCE_COLOR', '1')  # draws the bar where there is no terminal
    expected = layout.write(tmp_path / 'in', 3)
    (tmp_path / 'in' / layout.label.format(1)).rename(tmp_path / 'label')
    args = (tmp_path / 'in', '--nproc', 2, '-o', tmp_path / 'out')
    assert run(layout.tool, *args)[0] == 0
    (tmp_path / 'label').rename(tmp_path / 'in' / layout.label.format(1))
    code, out, err = run(layout.tool, *args)
    assert (code, out) == (0, f'3 labels are converted; lists: {tmp_path}/out/*.txt\n')
    assert re.search(r'Labels to train ids.*100%.*\d:\d\d:\d\d', err)
    for number in range(3):
        np.testing.assert_array_equal(layout.read(tmp_path / 'out', number), expected[number])


@pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS)
def test_each_tool_lists_what_it_cannot_convert(run, tmp_path, layout):
    layout.write(tmp_path, 4)
    for number in (1, 2):
        (tmp_path / layout.label.format(number)).write_bytes(b'no label')
    code, _, err = run(layout.tool, tmp_path)
    assert code == 2
    assert 'Traceback' not in err
    said = err[err.index('error: ') :]
    assert said.startswith('error: 2 of 4 labels were not converted')
    assert [str(tmp_path / layout.label.format(number)) in said for number in range(4)] == [
        False,
        True,
        True,
        False,
    ]


def test_synthia_takes_other_folders(run, tmp_path):
    LAYOUTS['synthia'].write(tmp_path, 2)
    (tmp_path / 'GT/LABELS').rename(tmp_path / 'ids')
    assert run('synthia.py', tmp_path, '--gt-dir', 'ids', '--val', 1)[0] == 0
    assert len(list((tmp_path / 'ids').glob('*_labelTrainIds.png'))) == 2
    assert (tmp_path / 'val.txt').read_text() == '0000001\n'


@pytest.mark.parametrize(
    ('tool', 'folder'),
    [('gta.py', 'labels'), ('cityscapes.py', 'gtFine'), ('synthia.py', 'GT/LABELS')],
)
def test_missing_folder_is_named(run, tmp_path, tool, folder):
    code, _, err = run(tool, tmp_path / 'nowhere')
    assert code == 2
    assert err.startswith(f'error: no folder {tmp_path}/nowhere/{folder}; expected\n')
    assert not (tmp_path / 'nowhere').exists()


def test_an_output_folder_that_cannot_be_written_to_is_told(run, gta):
    (gta / 'file').touch()
    code, _, err = run('gta.py', gta, '-o', gta / 'file/new')
    assert (code, err) == (
        2,
        f'error: output folder: cannot write to {gta}/file/new, because {gta}/file is no folder\n',
    )
    assert not list(gta.rglob('*_labelTrainIds.png'))


def test_a_folder_of_toys_that_cannot_be_written_to_is_told(run, tmp_path):
    (tmp_path / 'file').touch()
    code, _, err = run('../make_toy_domains.py', tmp_path / 'file/toy')
    assert code == 2
    assert err.startswith(f'error: out: cannot write to {tmp_path}/file, because {tmp_path}/file')
