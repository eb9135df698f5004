"""How blocks and commands of a page are told apart: what no test would run has to be seen."""

import pytest
from page_blocks import ROOT, Block, blocks_of, config_text
from page_commands import Command, commands_of, parse_with, without_environment

PAGE = """# A page

<!-- snippet: on dacs_gta2cs.py -->
```python
a = 1
```

    python tools/train.py CONFIG \\
        --amp

```shell
# a remark
MMSEG_DA_CITY=Tokyo python tools/train.py configs/a.py  # another
tools/dist_train.sh configs/a.py 4
python tools/test_ensemble.py configs/a.py x/{b,c}/1.pth
```

    this is no code
"""


@pytest.fixture
def page(tmp_path):
    file = tmp_path / 'page.md'
    file.write_text(PAGE)
    return file


def test_blocks_have_a_language_and_what_is_said_of_them(page):
    blocks = blocks_of(page)
    assert [block.language for block in blocks] == ['python', 'shell', 'shell', '']
    assert [block.line for block in blocks] == [5, 8, 12, 18]
    assert [block.says for block in blocks] == [('on', 'dacs_gta2cs.py'), None, None, None]
    assert config_text(blocks[0]) == f"_base_ = '{ROOT}/configs/dacs_gta2cs.py'\na = 1\n"


def test_a_base_of_a_block_is_one_of_ours():
    block = Block(ROOT / 'README.md', 1, 'python', "_base_ = ['./small/a.py']\n", None)
    assert config_text(block) == f"_base_ = ['{ROOT}/configs/small/a.py']\n"


def test_what_is_said_of_no_block_is_refused(tmp_path):
    file = tmp_path / 'page.md'
    file.write_text('<!-- snippet: on a.py -->\n\nwords\n\n```python\na = 1\n```\n')
    with pytest.raises(AssertionError, match='above what is no block'):
        blocks_of(file)


def test_commands_are_whole_lines(page):
    first, second, third, fourth = commands_of(page)
    assert first.text == 'python tools/train.py CONFIG --amp'
    assert [each.line for each in (first, second, third, fourth)] == [8, 13, 14, 15]
    assert second.words[-1] == 'configs/a.py'
    assert without_environment(second.words)[0] == dict(MMSEG_DA_CITY='Tokyo')
    assert fourth.words[-2:] == ['x/b/1.pth', 'x/c/1.pth']


def test_what_is_not_run_has_a_reason(page):
    first, second, third, fourth = commands_of(page)
    assert first.why_not == 'it has placeholders'
    assert 'test_dist_scripts.py' in third.why_not
    assert second.why_not is None
    assert fourth.why_not is None


@pytest.mark.parametrize(
    'text', ['python tools/train.py configs/a.py --no-such', 'python tools/train.py']
)
def test_flags_that_a_tool_has_not_are_seen(text):
    words = Command(ROOT / 'README.md', 1, text).words
    assert 'error' in parse_with(ROOT / words[1], words[2:])
