"""Every block of code of the README and the docs is something that a test reads or runs."""

import re

import pytest
from page_blocks import (
    DIRECTIVE,
    NO_CODE,
    PAGES,
    PYTHON,
    ROOT,
    SHELL,
    all_blocks,
    config_blocks,
    config_text,
)
from page_commands import (
    NOT_RUN,
    all_commands,
    make_targets,
    parse_with,
    without_environment,
)

from mmseg_da.command import tools, with_configs
from mmseg_da.engine import launch
from mmseg_da.registry import MODELS


def _ids(items):
    return [item.where for item in items]


def test_every_block_is_of_a_kind_that_is_tested():
    blocks = all_blocks()
    assert len(blocks) > 70
    known = (*SHELL, *PYTHON, *NO_CODE)
    unknown = [
        block.where
        for block in blocks
        if block.language not in known and not DIRECTIVE.fullmatch(block.language)
    ]
    assert unknown == [], 'name the language of these blocks: python, shell, text or none'


def test_every_block_that_is_said_to_have_a_test_is_in_it():
    said = [block for block in all_blocks() if block.says and block.says[0] == 'tested by']
    assert said
    for block in said:
        test = (ROOT / block.says[1]).read_text()
        assert block.page.name in test or block.page.stem in test, block.where


@pytest.mark.parametrize('block', config_blocks(), ids=_ids(config_blocks()))
def test_a_documented_config_builds(block, tmp_path):
    assert block.says or '_base_' in block.text, (
        f'{block.where}: say above the block what it is: <!-- snippet: on CONFIG.py --> for a part '
        'of a config, <!-- snippet: tested by FILE --> for other code'
    )
    file = tmp_path / 'mine.py'
    file.write_text(config_text(block))
    cfg = launch.load_config(str(file), None, str(tmp_path / 'work'))
    assert MODELS.get(cfg.model.type)
    assert cfg.train_dataloader.dataset


COMMANDS = all_commands()
IN_TEXT = re.compile(r'`(?:python )?((?:tools|benchmarks)/[\w/]+\.(?:py|sh))( [^`]*)?`')


@pytest.mark.parametrize('command', COMMANDS, ids=_ids(COMMANDS))
def test_a_documented_command_is_one(command):
    """Its script is there and takes its flags, and its configs are there and can be read."""
    _, words = without_environment(command.words)
    for config in re.findall(r'\bconfigs/[\w/]+\.py\b', command.text):
        launch.read_config(str(ROOT / config), None)
    program, *rest = words
    if program == 'make':
        targets = [word for word in rest if '=' not in word]
        assert targets
        assert set(targets) <= make_targets()
    elif program == 'python' and rest[0] == '-m':
        assert rest[1:] == ['mmseg_da.check']
    elif program == 'python':
        check_arguments(rest[0], rest[1:], command)
    elif program.startswith('tools/'):
        script = ROOT / program
        assert script.stat().st_mode & 0o100, f'{program} cannot be run'
        assert rest
    elif program == 'torchrun':
        script = next(i for i, word in enumerate(rest) if word.endswith('.py'))
        check_arguments(rest[script], rest[script + 1 :], command)
    elif program == 'mmseg-da':
        assert rest[0] == '--help' or rest[0] in tools(), f'{command.where}: no tool {rest[0]}'
        if rest[0] != '--help':
            check_arguments(tools()[rest[0]], with_configs(rest[0], rest[1:]), command)
    else:
        assert program in ('ln', 'pip', 'git', 'cd', '.'), f'{command.where}: what is {program}?'


def check_arguments(script, arguments, command):
    """See that the parser of a script takes arguments; of a usage line that it knows the flags."""
    assert (ROOT / script).is_file(), f'{command.where}: there is no {script}'
    if command.why_not == 'it has placeholders':
        said = parse_with(ROOT / script, ['--help'])
        flags = re.findall(r'--[\w-]+', ' '.join(arguments))
        assert [flag for flag in flags if flag not in said] == []
        return
    assert parse_with(ROOT / script, arguments) == ''


def test_scripts_and_flags_in_the_text_are_there():
    """Of commands within a sentence, which are often usage lines."""
    seen, wrong = 0, []
    for page in PAGES:
        for script, rest in IN_TEXT.findall(page.read_text()):
            seen += 1
            if not (ROOT / script).is_file():
                wrong.append((page.name, script))
                continue
            flags = re.findall(r'(?<!\S)--[\w-]+', rest)
            said = parse_with(ROOT / script, ['--help']) if flags else ''
            wrong += [(page.name, script, flag) for flag in flags if flag not in said]
    assert seen > 10
    assert wrong == []


def test_each_reason_not_to_run_a_command_is_needed():
    texts = [command.text for command in COMMANDS]
    unused = [each for each in NOT_RUN if not any(re.match(each, text) for text in texts)]
    assert unused == []


def test_most_commands_are_run():
    run = [command for command in COMMANDS if command.why_not is None]
    assert len(run) > 30
