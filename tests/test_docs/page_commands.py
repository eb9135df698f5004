"""The commands of the README and the docs: how they are split, and which are read but not run."""

import contextlib
import io
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from page_blocks import PAGES, ROOT, SHELL, blocks_of

# Commands that no test can run as they stand, and why. All others are run.
NOT_RUN = {
    r'tools/dist_|\w+=.*tools/dist_|torchrun': 'several GPUs or machines: test_dist_scripts.py runs them '
    'on the CPU',
    r'.*tools/slurm_': 'a slurm cluster: test_dist_scripts.py runs them with a stand-in for srun',
    r'make\b': 'makes an environment, and .ci/run is made of it',
    r'(\w+=.*)?python benchmarks/': 'minutes to hours: test_benchmarks/ runs each of them in small',
    r'\. ': 'changes the shell that it is typed into',
    r'python tools/model_converters/': 'a download: test_model_converters.py runs them on files of '
    'the same layouts',
    r'python tools/test\.py \S+ (daformer|adaptsegnet)\.pth': 'the result of such a download',
}
# How much of it a test does of a command that would take minutes.
LENGTHS = {'tools/make_toy_domains.py': ['--train', '6', '--val', '2']}
PLACEHOLDER = re.compile(r'(?<![\w$/.-])[A-Z][A-Z]+(?![\w=])|\[|(?<!\S)[A-Z]\.(pth|py)\b')
MAKE_TARGET = re.compile(r'^([a-z][\w-]*):', re.MULTILINE)


class Command(NamedTuple):
    """A command of a page."""

    page: Path
    line: int
    text: str

    @property
    def where(self) -> str:
        """Page and line."""
        return f'{self.page.relative_to(ROOT)}:{self.line}'

    @property
    def words(self) -> list[str]:
        """Its words, with variables filled in."""
        filled = self.text.replace('$MMSEG_DA_DATA', 'data').replace('$PWD', str(Path.cwd()))
        filled = re.sub(r'<[^>]*>', 'data', filled)
        words = shlex.split(filled, comments=True)
        return [each for word in words for each in _braces(word)]

    @property
    def why_not(self) -> str | None:
        """Why it is not run; None if it is."""
        for pattern, reason in NOT_RUN.items():
            if re.match(pattern, self.text):
                return reason
        return 'it has placeholders' if PLACEHOLDER.search(self.text.split(' #')[0]) else None


def _braces(word: str) -> list[str]:
    """What a shell makes of ``a{b,c}``."""
    match = re.fullmatch(r'([^{}]*)\{([^{}]+,[^{}]+)\}(.*)', word)
    if not match:
        return [word]
    return [each for part in match[2].split(',') for each in _braces(match[1] + part + match[3])]


def commands_of(page: Path) -> Iterator[Command]:
    """The commands of a page in order."""
    for block in blocks_of(page):
        if block.language not in SHELL:
            continue
        if block.says:
            continue
        text, start = '', block.line
        for number, line in enumerate(block.text.splitlines()):
            start = start if text else block.line + number
            text += line.strip()
            if text.endswith('\\'):
                text = text[:-1].rstrip() + ' '
            elif text:
                if not text.startswith('#'):
                    yield Command(page, start, text)
                text = ''


def all_commands() -> list[Command]:
    """Of every page."""
    return [command for page in PAGES for command in commands_of(page)]


def without_environment(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The variables that a command sets, and the rest of it."""
    count = next((i for i, word in enumerate(words) if not re.match(r'\w+=', word)), len(words))
    return dict(word.split('=', 1) for word in words[:count]), words[count:]


def parse_with(tool: Path, arguments: list[str]) -> str:
    """Let the parser of a tool read arguments; gives what it says if it refuses them, else nothing."""
    said, before = io.StringIO(), sys.argv
    sys.argv = [str(tool), *arguments]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            runpy.run_path(str(tool), run_name='documented')['parse_args']()
    except SystemExit:
        return said.getvalue() or 'it ended'
    finally:
        sys.argv = before
    return ''


def make_targets() -> set[str]:
    """The targets of the Makefile."""
    return set(MAKE_TARGET.findall((ROOT / 'Makefile').read_text()))
