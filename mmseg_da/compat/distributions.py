"""Which distributions own ``mmengine``, ``mmcv`` and ``mmseg``, and whether they collide."""

import importlib.metadata
import warnings

# pip knows of no conflict between these: they write into one folder, and the last one wins.
OWNERS = {
    'mmengine': ('mmengine', 'mmengine-lite', 'onedl-mmengine'),
    'mmcv': ('mmcv', 'mmcv-lite', 'mmcv-full', 'onedl-mmcv', 'onedl-mmcv-lite'),
    # `mmseg` itself is an unrelated word splitter of 2012.
    'mmseg': ('mmsegmentation', 'onedl-mmsegmentation', 'mmseg'),
}

# What the extras of these names in setup.py ask for, to tell a command that works without an index
# that has this package.
REQUIREMENTS = {
    'lite': (
        'mmsegmentation>=1.2.2,<1.3',
        'mmengine>=0.10.7,<0.11',
        'ftfy',
        'regex',
        'mmcv-lite>=2.1.0,<2.2',
    ),
    'onedl': (
        'onedl-mmsegmentation>=1.4.2,<1.5',
        'onedl-mmengine>=0.10.12,<0.11',
        'onedl-mmcv>=2.3.6,<2.4',
        'torch>=2.4',
    ),
}


def owners(import_name: str) -> dict[str, str]:
    """Return the installed distributions that own ``import_name``, with their versions."""
    found = {}
    for name in OWNERS[import_name]:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def is_onedl(import_name: str) -> bool:
    """Tell whether ``import_name`` comes from the onedl fork (and only from there)."""
    found = owners(import_name)
    return bool(found) and all(name.startswith('onedl-') for name in found)


def double_installs() -> list[str]:
    """Return one message with its remedy for each import name that has several owners."""
    messages = []
    for import_name in OWNERS:
        found = owners(import_name)
        if len(found) > 1:
            listed = ' and '.join(f'{name} {version}' for name, version in found.items())
            messages.append(
                f'{listed} are both installed and overwrite each other in {import_name}/. '
                f'{remedy()}'
            )
    return messages


def install_command(extra: str) -> str:
    """Return the command that installs the packages of ``extra``, ``'lite'`` or ``'onedl'``."""
    # Quoted, as `>` is a redirection to the shell.
    return 'pip install ' + ' '.join(
        f'"{item}"' if '>' in item else item for item in REQUIREMENTS[extra]
    )


def remedy() -> str:
    """Return the command that leaves one family, whatever is installed now."""
    installed = [name for import_name in OWNERS for name in owners(import_name)]
    extra = 'onedl' if any(name.startswith('onedl-') for name in installed) else 'lite'
    return f'Run: pip uninstall -y {" ".join(installed)} && {install_command(extra)}'


def warn_double_installs() -> None:
    """Warn once per import name with several owners."""
    for message in double_installs():
        warnings.warn(message, UserWarning, stacklevel=3)
