"""The commands of the README and the docs run as they stand, in a folder of small data and networks."""

import os

import pytest
from page_blocks import ROOT
from page_commands import all_commands

RUN = [command for command in all_commands() if command.why_not is None]
QUICK = ('README.md', 'docs/get_started.md', 'docs/methods/adaptsegnet.md')


def _cases():
    for command in RUN:
        quick = str(command.page.relative_to(ROOT)) in QUICK and ' -m ' not in command.text
        yield pytest.param(command, id=command.where, marks=[] if quick else pytest.mark.slow)


@pytest.mark.parametrize('command', _cases())
def test_a_documented_command_runs(command, sandbox, monkeypatch, capfd):
    monkeypatch.delenv('MMSEG_DA_DATA', raising=False)
    monkeypatch.chdir(sandbox.folder)
    before = dict(os.environ)
    try:
        code = sandbox.run(command)
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert code == 0, capfd.readouterr().err[-3000:]
