"""The folders of a translation: what may go where, whose they are, and what else belongs there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmseg_da.datasets.linking import bring
from mmseg_da.datasets.outputs import require_writable, write_atomically
from mmseg_da.datasets.pictures import files_below, lists_of, output_names
from mmseg_da.errors import UserError

STAMP = 'translation.json'
"""The file in the output folder that says how its images were made."""


@dataclass(frozen=True)
class Places:
    """Where things are and where they go.

    With labels, the output has the layout that images and labels have below the folder that holds
    both, so that a config needs another ``data_root`` only. Without, it holds the images.

    Args:
        source: Folder of the images.
        out: Folder to write.
        labels: Folder of the labels.

    Raises:
        UserError: A folder is missing, or has no label, or lies in another.
    """

    source: Path
    out: Path
    labels: Path | None = None

    def __post_init__(self) -> None:
        if not self.source.is_dir():
            raise UserError(
                f'{self.source}: {"is no folder" if self.source.exists() else "no such folder"}'
            )
        if self.labels is not None and not self.labels.is_dir():
            raise UserError(f'--labels {self.labels}: no such folder')
        if self.labels is not None and self.labels.resolve() == self.source.resolve():
            raise UserError(f'--labels {self.labels}: is the folder of the images')
        if self.labels is not None and not files_below(self.labels):
            raise UserError(f'--labels {self.labels}: holds no file')
        require_writable(self.out, 'OUT')
        out = self.out.resolve()
        for folder in filter(None, (self.source, self.labels)):
            if out.is_relative_to(folder.resolve()) or folder.resolve().is_relative_to(out):
                raise UserError(
                    f'OUT {self.out} and {folder} lie in one another: choose a folder beside it'
                )

    @property
    def root(self) -> Path:
        """The folder of which the output is the counterpart."""
        source, labels = self.source.resolve(), self.labels and self.labels.resolve()
        if labels is None:
            return source
        return next(each for each in (source, *source.parents) if labels.is_relative_to(each))

    @property
    def images_out(self) -> Path:
        """Where the images go."""
        return self.out / self.source.resolve().relative_to(self.root)

    @property
    def labels_out(self) -> Path:
        """Where the labels go."""
        return self.out / self.labels.resolve().relative_to(self.root)


def sign(places: Places, pictures: Sequence[Path], settings: dict[str, Any], force: bool) -> None:
    """See that the output folder is free or of a run with these settings, and leave a stamp.

    Args:
        places: The folders.
        pictures: The images, relative to their folder.
        settings: What the outputs depend on, in plain values; ``suffix`` among them.
        force: Remove the outputs of a run with other settings, or files of their names.

    Raises:
        UserError: The folder is in use by something else, unless ``force``.
    """
    stamp = places.out / STAMP
    before = _read_stamp(stamp)
    if before == settings:
        return
    if places.out.is_dir() and any(places.out.iterdir()):
        if not force:
            raise UserError(_whose(places.out, before, settings))
        for suffix in {settings['suffix'], (before or settings).get('suffix')}:
            for name in output_names(pictures, suffix).values():  # else they pass for finished
                (places.images_out / name).unlink(missing_ok=True)
    places.out.mkdir(parents=True, exist_ok=True)
    write_atomically(stamp, (json.dumps(settings, indent=2) + '\n').encode())


def _read_stamp(stamp: Path) -> dict | None:
    try:
        read = json.loads(stamp.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return read if isinstance(read, dict) else None


def _whose(out: Path, before: dict | None, settings: dict) -> str:
    ways = 'choose another OUT, or --force to replace the images of the same names'
    if before is None:
        return f'{out} is there and not empty, and no translation of this tool: {ways}'
    keys = [key for key in settings if before.get(key) != settings[key]]
    changes = '; '.join(f'{key}: {before.get(key)}, now {settings[key]}' for key in keys)
    return f'{out} holds images of another translation ({changes}): {ways}'


def bring_labels(places: Places, pictures: Sequence[Path], copy: bool, show: bool) -> list[str]:
    """Link or copy the labels, and copy the lists of images that lie above them.

    Returns:
        What a user should know.
    """
    if places.labels is None:
        return []
    labels = files_below(places.labels)
    bring(labels, places.labels, places.labels_out, copy, 'Labels', show)
    below = places.source.resolve().relative_to(places.root)
    lists = [path.name for path in lists_of(places.root, [below / each for each in pictures])]
    bring(map(Path, lists), places.root, places.out, True, 'Lists', show and bool(lists))
    prefix = dict(img_path=str(below), seg_map_path=str(places.labels_out.relative_to(places.out)))
    return [
        f'{len(labels)} labels are {"copied" if copy else "linked"} into {places.labels_out}',
        f'train with data_root={str(places.out)!r}, data_prefix={prefix}'
        + (f', ann_file one of {lists}' if lists else ''),
    ]
