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


def remedy() -> str:
    """Return the command that leaves one family, whatever is installed now."""
    installed = [name for import_name in OWNERS for name in owners(import_name)]
    extra = 'onedl' if any(name.startswith('onedl-') for name in installed) else 'lite'
    return f'Run: pip uninstall -y {" ".join(installed)} && pip install "mmseg-da[{extra}]"'


def warn_double_installs() -> None:
    """Warn once per import name with several owners."""
    for message in double_installs():
        warnings.warn(message, UserWarning, stacklevel=3)
