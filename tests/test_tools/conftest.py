"""A tiny toy data set, a checkpoint trained on it, and a way to run the tools."""

import shutil
from pathlib import Path

import pytest
from tool_helpers import ROOT, SHORT, TOY, Result, contents, start

from mmseg_da.testing.toy_domains import make_toy_domains


@pytest.fixture(scope='session')
def toy_data(tmp_path_factory) -> Path:
    """The folder that MMSEG_DA_DATA names, with six training images per domain."""
    root = tmp_path_factory.mktemp('data')
    make_toy_domains(root / 'toy', train=6, val=2)
    return root


@pytest.fixture
def run_tool(toy_data, tmp_path, monkeypatch, capfd):
    """Run a tool of ours by name in an empty folder; gives its exit code, stdout and stderr."""
    monkeypatch.setenv('MMSEG_DA_DATA', str(toy_data))
    monkeypatch.chdir(tmp_path)

    def run(name: str | Path, *args: object) -> Result:
        capfd.readouterr()
        code = start(ROOT / 'tools' / name, *args)
        return Result(code, *capfd.readouterr())

    return run


@pytest.fixture
def plainly_written(monkeypatch):
    """Configs are written on one line, because laying them out takes most of a short run."""

    def as_it_is(text, **_):
        return text, True

    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', as_it_is)
    monkeypatch.setattr('mmengine.config.config.FormatCode', as_it_is, raising=False)


@pytest.fixture
def refused(run_tool, plainly_written, tmp_path):
    """Run a tool that has to refuse its input and change no file; gives its one message."""

    def run(name: str | Path, *args: object) -> str:
        before = contents(tmp_path)
        said = run_tool(name, *args).mistake
        assert contents(tmp_path) == before
        return said

    return run


@pytest.fixture
def own_data(toy_data, tmp_path, run_tool, monkeypatch) -> Path:
    """A copy of the toy data, in which a test may damage files; the tools read it."""
    shutil.copytree(toy_data / 'toy', tmp_path / 'data/toy')
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'data'))
    return tmp_path / 'data/toy'


@pytest.fixture(scope='session')
def trained(toy_data, tmp_path_factory) -> Path:
    """The work_dir of two iterations of AdaptSegNet, trained by our tool without --work-dir."""
    folder = tmp_path_factory.mktemp('trained')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_DA_DATA', str(toy_data))
        patch.chdir(folder)
        assert start(ROOT / 'tools/train.py', TOY, '--cfg-options', *SHORT) == 0
    return folder / 'work_dirs/adaptsegnet_toy'
