"""Files of one data set that another one uses, too."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from mmseg_da.datasets.parallel import progress


def bring(
    names: Iterable[Path], source: Path, out: Path, copy: bool, title: str, show: bool = True
) -> None:
    """Link files into another folder, or copy them; what is there already stays.

    Links are symbolic and relative, so that both folders can move together. Where the file system
    has none, files are copied. Each appears when it is whole.

    Args:
        names: Relative to both folders.
        source: Where the files are.
        out: Where they shall be, too; made if needed.
        copy: Copy instead.
        title: Of the progress bar.
        show: Show the bar on stderr.

    Raises:
        OSError: A file cannot be read or written.
    """
    for name in progress(list(names), title, show):
        there, here = source / name, out / name
        if not _is_in_place(there, here, copy):
            here.parent.mkdir(parents=True, exist_ok=True)
            _replace(there, here, copy)


def _is_in_place(there: Path, here: Path, copy: bool) -> bool:
    if not here.exists() or (copy and here.is_symlink()):
        return False
    if here.samefile(there):
        return True
    ours, theirs = here.stat(), there.stat()
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _replace(there: Path, here: Path, copy: bool) -> None:
    part = here.with_name(f'{here.name}.part')
    part.unlink(missing_ok=True)
    try:
        if copy or not _link(there, part):
            shutil.copy2(there, part)
        os.replace(part, here)
    finally:
        part.unlink(missing_ok=True)


def _link(there: Path, part: Path) -> bool:
    """Make a link; gives whether the file system has links."""
    try:
        part.symlink_to(os.path.relpath(there.resolve(), part.parent.resolve()))
    except OSError:
        return False
    return True
