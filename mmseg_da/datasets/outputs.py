"""Files that a run leaves: can they be written, and written whole?"""

import os
from collections.abc import Iterable
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


def require_own_names(images: Iterable[str | Path], what: str) -> None:
    """See that no prediction replaces another one: mmseg names each after the image alone.

    Args:
        images: The image files, with their folders.
        what: The flag or key that names the folder of the predictions, for the message.

    Raises:
        UserError: Two images differ in their folder or suffix alone; names the first two.
    """
    first: dict[str, str | Path] = {}
    for image in images:
        name = Path(image).stem
        if name in first:
            raise UserError(
                f'{what}: the predictions of {first[name]} and {image} would both be {name}.png, '
                'because folders are not kept. Test one folder at a time, each with a folder of '
                'its own for the predictions'
            )
        first[name] = image


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a killed run leaves either all of it or, under its name, what was
    there before.
    """
    part = path.with_name(path.name + '.part')
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
