"""``mmseg-da``: which tools it finds, and what it tells. `.ci/package` runs it where it is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import mmseg_da
from mmseg_da import command
from mmseg_da.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def run(monkeypatch, *arguments):
    """Run the command in this process; gives its exit code."""
    monkeypatch.setattr(sys, 'argv', ['mmseg-da', *arguments])
    try:
        command.main()
    except SystemExit as stop:
        return stop.code or 0
    return 0


def test_every_script_is_a_tool():
    scripts = {path.stem for path in (ROOT / 'tools').rglob('*') if path.suffix in ('.py', '.sh')}
    names = {name.rpartition('/')[2] for name in command.tools()}
    assert names == scripts - {'dist_run', 'launching'}
    assert command.tools()['dataset_converters/gta'] == ROOT / 'tools/dataset_converters/gta.py'


@pytest.mark.parametrize('arguments', [[], ['-h'], ['--help']])
def test_help_lists_every_tool_in_one_line(monkeypatch, capsys, arguments):
    assert run(monkeypatch, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in command.tools():
        (line,) = [each for each in lines if each.split()[:1] == [name]]
        assert len(line.split()) > 4
    assert f'{ROOT / "configs"}' in lines


def test_a_config_is_looked_for_here_and_then_in_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ['small/advent_toy.py', '--out', 'other.py', 'a=small/advent_toy.py']
    ours = str(ROOT / 'configs/small/advent_toy.py')
    assert command.with_configs('train', given) == [ours, *given[1:]]
    (tmp_path / 'small').mkdir()
    (tmp_path / 'small/advent_toy.py').touch()
    assert command.with_configs('train', given) == given


def test_what_a_tool_writes_is_no_config_of_ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, head = 'dacs_gta2cs.py', '_base_/models/deeplabv2_r101.py'
    given = [name, '--target', name, '--segmentor', head, '--force']
    ours = str(ROOT / 'configs' / head)
    assert (ROOT / 'configs' / name).is_file()
    assert command.with_configs('new_config', given) == [*given[:4], ours, '--force']
    given = ['--out', name, f'--out={name}', name]
    assert command.with_configs('print_config', given) == [*given[:3], str(ROOT / 'configs' / name)]


def test_a_new_config_is_written_where_the_user_is(tmp_path, monkeypatch):
    ours = (ROOT / 'configs/dacs_gta2cs.py').read_bytes()
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
        Image.new('L', (64, 64)).save(tmp_path / folder / 'a.png')
    monkeypatch.chdir(tmp_path)
    folders = ['--source', 'images', 'labels', '--target', 'images', '--classes', 'road,sky']
    assert run(monkeypatch, 'new_config', 'dacs_gta2cs.py', *folders, '--nproc', '1') == 0
    assert 'road' in (tmp_path / 'dacs_gta2cs.py').read_text()
    assert (ROOT / 'configs/dacs_gta2cs.py').read_bytes() == ours


@pytest.mark.stack
def test_a_tool_runs_as_from_a_clone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, 'print_config', 'small/advent_toy.py', '--out', 'flat.py') == 0
    assert "type='DomainAdaptor'" in (tmp_path / 'flat.py').read_text()
    assert run(monkeypatch, 'train', '--help') == 0
    assert '\nusage: train.py [-h]' in capsys.readouterr().out


def test_a_shell_script_runs_with_this_interpreter(tmp_path):
    script = 'import sys; from mmseg_da.command import main; main()'
    done = subprocess.run(
        [sys.executable, '-c', script, 'dist_train', 'small/advent_toy.py', 'none'],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(Path(mmseg_da.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "GPUS must be a whole number above 0, not 'none'" in done.stderr


@pytest.mark.parametrize('name', ['trian', 'dist_run', 'launching', '../tools/train', '--version'])
def test_an_unknown_tool_is_told(monkeypatch, capsys, name):
    assert run(monkeypatch, name) == 2
    assert f'error: there is no tool {name!r}, only adaptor2segmentor' in capsys.readouterr().err


def test_a_mistake_of_a_tools_user_is_told_once(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, 'train', 'nowhere.py') == 2
    assert capsys.readouterr().err == 'error: nowhere.py: no such config file\n'


def test_a_package_without_its_tools_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(command, 'PACKAGE', tmp_path / 'mmseg_da')
    with pytest.raises(UserError, match='without tools and configs: install mmseg_da again'):
        command.home()
