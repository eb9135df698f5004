"""tools/print_config.py, and that our tools take the flags of mmseg's."""

import ast
import re

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
    ],
)
def test_mistakes_are_told(run_tool, args, word):
    assert word in run_tool('print_config.py', *args).mistake


def flags(path):
    """The arguments that a tool declares, with what its parser does with each."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or getattr(node.func, 'attr', '') != 'add_argument':
            continue
        names = tuple(sorted(arg.value for arg in node.args))
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        action = given.get('action')
        found[names] = dict(
            switch=isinstance(action, ast.Constant) and action.value,
            nargs=getattr(given.get('nargs'), 'value', None),
            choices=ast.literal_eval(given['choices']) if 'choices' in given else None,
            default=getattr(given.get('default'), 'value', None) or None,
            type=getattr(given.get('type'), 'id', None),
        )
    return found


@pytest.mark.parametrize(
    ('ours', 'theirs'),
    [
        ('train.py', 'train.py'),
        ('test.py', 'test.py'),
        ('print_config.py', 'misc/print_config.py'),
    ],
)
@pytest.mark.stack
def test_flags_are_those_of_mmseg(ours, theirs):
    upstream = flags(UPSTREAM / theirs)
    upstream.pop(('--options',), None)  # deprecated there
    mine = flags(ROOT / 'tools' / ours)
    if ours == 'print_config.py':
        del mine['--out',]  # our addition
    assert set(mine) == set(upstream)
    for names, settings in mine.items():
        expected = upstream[names]
        expected['type'] = None if expected['type'] == 'str' else expected['type']
        assert settings == expected


@pytest.mark.parametrize('tool', ['train.py', 'test.py', 'print_config.py'])
def test_help_describes_every_flag(run_tool, tool):
    result = run_tool(tool, '--help')
    assert result.code == 0
    assert all(names[-1] in result.out for names in flags(ROOT / 'tools' / tool))
