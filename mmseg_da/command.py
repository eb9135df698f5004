"""``mmseg-da TOOL ...``: the tools of this package from any folder, without a clone."""

import ast
import os
import runpy
import sys
from pathlib import Path

from mmseg_da.errors import UserError, user_errors

PACKAGE = Path(__file__).resolve().parent
_INTERNAL = {'dist_run', 'launching'}  # what other tools start
_USAGE = """usage: mmseg-da TOOL [arguments]
       mmseg-da TOOL --help

Runs a tool of mmseg_da, as `python tools/TOOL.py` does in a clone. A config to read that is no file
here, such as small/adaptsegnet_toy.py, is looked for among those of the package, in
{configs}

tools:
{tools}"""


def home() -> Path:
    """The folder of ``tools`` and ``configs``: ``.mim`` of an installed package, or the clone.

    Raises:
        UserError: There is neither.
    """
    for folder in (PACKAGE / '.mim', PACKAGE.parent):
        if (folder / 'tools/train.py').is_file() and (folder / 'configs').is_dir():
            return folder
    raise UserError(f'{PACKAGE} was installed without tools and configs: install mmseg_da again')


def tools() -> dict[str, Path]:
    """The scripts by their names; those of a subfolder are ``folder/name``."""
    folder = home() / 'tools'
    found = {
        path.relative_to(folder).with_suffix('').as_posix(): path
        for path in sorted([*folder.rglob('*.py'), *folder.rglob('*.sh')])
    }
    return {name: path for name, path in found.items() if name not in _INTERNAL}


def with_configs(tool: str, arguments: list[str]) -> list[str]:
    """Arguments in which names of configs of ours are paths; what is a file here stays.

    Args:
        tool: Name of the tool, one of :func:`tools`.
        arguments: Of the tool; those that name a file to write stay, too.
    """
    folder = home() / 'configs'
    return [
        str(folder / each)
        if each.endswith('.py')
        and _reads(tool, before)
        and not Path(each).exists()
        and (folder / each).is_file()
        else each
        for before, each in zip(['', *arguments], arguments, strict=False)
    ]


def _reads(tool: str, before: str) -> bool:
    """Whether a tool reads the file that it is given after another argument."""
    return before == '--segmentor' if tool == 'new_config' else before != '--out'


def usage() -> str:
    """What ``mmseg-da --help`` prints."""
    found = tools()
    width = max(map(len, found))
    lines = [f'  {name:<{width}}  {_summary(path)}' for name, path in found.items()]
    return _USAGE.format(configs=home() / 'configs', tools='\n'.join(lines))


def _summary(path: Path) -> str:
    """The first sentence of a script."""
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.py':
        return (ast.get_docstring(ast.parse(text)) or '').splitlines()[0].replace('`', '')
    return text.splitlines()[1].lstrip('# ')


def main() -> None:
    """Run the tool that the command line names."""
    with user_errors():
        _main(sys.argv[1:])


def _main(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ('-h', '--help'):
        print(usage())
        return
    name, *rest = arguments
    tool = name.removesuffix('.py').removesuffix('.sh')
    path = tools().get(tool)
    if path is None:
        raise UserError(f'there is no tool {name!r}, only {", ".join(tools())}')
    rest = with_configs(tool, rest)
    if path.suffix == '.sh':
        os.environ.setdefault('PYTHON', sys.executable)
        os.execvp('bash', ['bash', str(path), *rest])
    sys.argv = [str(path), *rest]
    runpy.run_path(str(path), run_name='__main__')
