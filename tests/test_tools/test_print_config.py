"""tools/print_config.py, and that our tools take the flags of mmseg's."""

import argparse
import re
import runpy

import pytest
from mmengine.config import Config
from tool_helpers import ROOT, TOY, UPSTREAM

BROKEN = 'model.segmentor.decode_head.type=NoHead'


def test_it_prints_the_merged_config(run_tool):
    result = run_tool('print_config.py', TOY, '--cfg-options', 'train_cfg.max_iters=7')
    assert result.code == 0
    cfg = Config.fromstring(result.out.split('Config:\n')[1], '.py')
    assert cfg.train_cfg.max_iters == 7
    assert cfg.model.objectives.adv_decode.type == 'OutputAlignment'


def test_out_writes_a_config_that_loads(run_tool, tmp_path):
    assert run_tool('print_config.py', TOY, '--out', 'new/flat.py').code == 0
    flat, original = Config.fromfile(tmp_path / 'new/flat.py'), Config.fromfile(TOY)
    assert flat.to_dict() == original.to_dict()
    assert not re.search(r'^_base_ =', (tmp_path / 'new/flat.py').read_text(), re.MULTILINE)


def test_graph_prints_the_model(run_tool):
    out = run_tool('print_config.py', TOY, '--graph').out
    assert 'Model graph:\nDomainAdaptor(' in out
    assert 'PixelDiscriminator(' in out


@pytest.mark.parametrize(
    ('args', 'word'),
    [
        (['nowhere.py'], 'nowhere.py'),
        ([TOY, '--cfg-options', 'x'], 'x'),
        ([TOY, '--graph', '--cfg-options', BROKEN], 'NoHead'),
        ([TOY, '--out', 'flat.md'], 'flat.md'),
        ([TOY, '--out', f'{TOY}/flat.py'], '--out: cannot write to'),
    ],
)
def test_mistakes_are_told(run_tool, args, word):
    assert word in run_tool('print_config.py', *args).mistake


class Declared(Exception):
    """Carries the parser of a tool out of it."""


@pytest.fixture
def flags(monkeypatch):
    """The arguments that a tool declares, with what its parser does with each."""

    def stop(parser, *_):
        raise Declared(parser)

    def declared(path):
        with monkeypatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, 'parse_args', stop)
            with pytest.raises(Declared) as caught:
                runpy.run_path(str(path))['parse_args']()
        (parser,) = caught.value.args
        return {
            tuple(sorted(action.option_strings)) or (action.dest,): dict(
                switch=isinstance(action, argparse._StoreTrueAction),
                nargs=action.nargs,
                choices=action.choices,
                default=action.default or None,
                type=None if action.type is str else action.type,
            )
            for action in parser._actions
        }

    return declared


@pytest.mark.parametrize(
    ('ours', 'theirs'),
    [
        ('train.py', 'train.py'),
        ('test.py', 'test.py'),
        ('print_config.py', 'misc/print_config.py'),
    ],
)
@pytest.mark.stack
def test_flags_are_those_of_mmseg(flags, ours, theirs):
    upstream = flags(UPSTREAM / theirs)
    upstream.pop(('--options',), None)  # deprecated there
    mine = flags(ROOT / 'tools' / ours)
    if ours == 'print_config.py':
        del mine['--out',]  # our addition
    assert mine == upstream


@pytest.mark.parametrize('tool', ['train.py', 'test.py', 'print_config.py'])
def test_help_describes_every_flag(run_tool, flags, tool):
    result = run_tool(tool, '--help')
    assert result.code == 0
    assert all(names[-1] in result.out for names in flags(ROOT / 'tools' / tool))
