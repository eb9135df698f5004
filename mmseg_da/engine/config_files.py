"""What reading a config needs besides mmengine."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from mmengine.config import DictAction


def find_modules_beside(config: str | Path) -> None:
    """Let modules in the folder of a config be imported by its ``custom_imports``.

    Args:
        config: Path of the config.
    """
    folder = str(Path(config).resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # at the end, so that it shadows nothing


class ConfigOptions(DictAction):
    """mmengine's ``--cfg-options``, which tells a malformed option instead of failing on it."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: Any = None
    ) -> None:
        """Parse ``key=value`` pairs."""
        try:
            super().__call__(parser, namespace, values, option_string)
        except (ValueError, AssertionError):
            given = ' '.join(values)
            parser.error(f'--cfg-options: expected key=value, key=a,b or key="[a,b]", not {given}')
