"""The blocks of code of the README and of every page of the docs, and what a page says of testing them.

A comment above a block, which no reader sees, says what a test has to know of it:

    <!-- snippet: on adaptsegnet_gta2cs.py -->     part of a config; the rest of it is this one of ours
    <!-- snippet: tested by tests/test_x.py -->    that test takes the block from the page and runs it

All others speak for themselves: a block of Python is a whole config, with a base of ours, and one of the
shell is a list of commands.
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md')),
    *sorted(path for path in (ROOT / 'docs').rglob('*.md') if '_build' not in path.parts),
]
SHELL, PYTHON = ('bash', 'shell', 'sh', 'console'), ('python',)
NO_CODE = ('none', 'text')  # folders, layers
DIRECTIVE = re.compile(r'\{[\w:-]+\}')  # of MyST
COMMENT = re.compile(r'<!-- snippet: (on|tested by) (\S+) -->\s*')
STARTS = re.compile(
    r'(\w+=(<[^>]*>|\S*) )*(python|make|tools/|pip|ln|git|cd|\.|torchrun|mim|mmseg-da) ?'
)


class Block(NamedTuple):
    """A block of code; ``line`` is its first."""

    page: Path
    line: int
    language: str
    text: str
    says: tuple[str, str] | None

    @property
    def where(self) -> str:
        """Page and line."""
        return f'{self.page.relative_to(ROOT)}:{self.line}'


def _language(info: str, text: str) -> str:
    """Of an indented block by its look: its author cannot name it."""
    if info:
        return info.split()[0]
    if all(STARTS.match(line) or line.startswith((' ', '#')) for line in text.splitlines() if line):
        return 'shell'
    try:
        compile(text, 'block', 'exec')
    except SyntaxError:
        return ''
    return 'python'


@cache
def blocks_of(page: Path) -> tuple[Block, ...]:
    """Every fenced and every indented block of a page, in order."""
    found, says = [], None
    for token in MarkdownIt('commonmark').enable('table').parse(page.read_text(encoding='utf-8')):
        if token.type == 'html_block' and (match := COMMENT.fullmatch(token.content)):
            says = match.groups()
        elif token.type in ('fence', 'code_block'):
            language = _language(token.info, token.content)
            found.append(
                Block(
                    page,
                    token.map[0] + (2 if token.type == 'fence' else 1),
                    language,
                    token.content,
                    says,
                )
            )
            says = None
        elif token.type.endswith('_open') and says:
            raise AssertionError(f'{page}: a snippet comment above what is no block of code')
    return tuple(found)


def all_blocks() -> list[Block]:
    """Of every page."""
    return [block for page in PAGES for block in blocks_of(page)]


def config_blocks() -> list[Block]:
    """Blocks of Python that are a config or a part of one, and have no test of their own."""
    python = [block for block in all_blocks() if block.language in PYTHON]
    return [block for block in python if not (block.says and block.says[0] == 'tested by')]


def config_text(block: Block) -> str:
    """The config file that a block is, in a folder beside ``configs``."""
    base = r"""(_base_ = \[?['"])\./"""
    if block.says:
        return f"_base_ = '{ROOT}/configs/{block.says[1]}'\n{block.text}"
    return re.sub(base, rf'\g<1>{ROOT}/configs/', block.text)
