"""Can results be written? Asked before the work is done."""

import os
from pathlib import Path

from mmseg_da.errors import UserError


def require_writable(folder: str | Path, what: str) -> None:
    """See that a folder can be written to, or made, without making it.

    Args:
        folder: A folder, there or not.
        what: The flag or argument that names it, for the message.

    Raises:
        UserError: It, or the nearest folder above it, is no folder or may not be written to.
    """
    folder = Path(folder).absolute()
    there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not there.is_dir():
        raise UserError(f'{what}: cannot write to {folder}, because {there} is no folder')
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f'{what}: cannot write to {folder}: no permission in {there}')
