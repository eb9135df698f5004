"""What two folders of images and labels hold: names, sizes, class ids."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_da.datasets.label_files import read_indices
from mmseg_da.datasets.parallel import in_parallel, progress
from mmseg_da.datasets.pictures import find_pictures
from mmseg_da.datasets.reading import IGNORE, what_is_wrong
from mmseg_da.errors import UserError

_NAMED = 5  # files that a message names


@dataclass(frozen=True)
class Folder:
    """Images of a domain, and their labels if it has some.

    Attributes:
        images: Folder of the images.
        labels: Folder of their labels, or ``None``.
        img_suffix: End of an image's name.
        seg_map_suffix: What stands in its place in the label's.
        count: Number of images.
        smallest: Smallest height and smallest width of those that were looked at.
        largest: Largest of both.
        looked_at: Number of images that were opened, with their labels.
        shares: Share of the pixels of each class, of the labels that were looked at.
    """

    images: Path
    labels: Path | None
    img_suffix: str
    seg_map_suffix: str
    count: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    looked_at: int
    shares: tuple[float, ...] = ()


def look_at(
    images: Path,
    labels: Path | None,
    classes: Sequence[str],
    most: int = 500,
    nproc: int = 1,
    suffixes: tuple[str | None, str | None] = (None, None),
    zero_is_ignored: bool = False,
) -> Folder:
    """Look at a folder of images, and at the labels that belong to them.

    Args:
        images: Folder of images; folders in it are looked into.
        labels: Folder of labels of the same names but for their ends, or ``None``.
        classes: Names of the classes.
        most: Number of images to open, spread evenly over the names.
        nproc: Processes that open them.
        suffixes: Ends of images and labels; what is ``None`` is found.
        zero_is_ignored: Labels count from 1, and 0 is none: mmseg's ``reduce_zero_label``.

    Raises:
        UserError: A folder is missing or empty, an image has no label, cannot be read or has
            another size than its label, a label holds colours or an id that is no class; names it.
    """
    for folder in filter(None, (images, labels)):
        if not folder.is_dir():
            raise UserError(f'{folder}: no such folder')
    names = [str(name) for name in find_pictures(images)]
    ending, replaced = suffixes
    if labels is not None and (ending is None or replaced is None):
        ending, replaced = _suffixes(names, labels, suffixes)
    ending = ending or _one_ending(names, images)
    names = [name for name in names if name.endswith(ending)]
    if not names:
        raise UserError(f'{images}: no image ends in {ending!r}: correct --img-suffix')
    paired = [name[: -len(ending)] + (replaced or '') for name in names]
    if labels is not None:
        _require_labels(names, paired, images, labels)
    chosen = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).astype(int))
    pairs = [(images / names[i], labels and labels / paired[i]) for i in chosen]
    task = partial(_look, num_classes=len(classes), zero_is_ignored=zero_is_ignored)
    found = list(progress(in_parallel(task, pairs, nproc), f'{images}', total=len(pairs)))
    problems = [each for each in found if isinstance(each, str)]
    if problems:
        raise UserError(_listed(problems, len(found)))
    sizes = np.array([size for size, _ in found])
    pixels = sum(counts for _, counts in found)
    return Folder(
        images.absolute(),
        labels and labels.absolute(),
        ending,
        replaced or '',
        len(names),
        tuple(sizes.min(axis=0).tolist()),
        tuple(sizes.max(axis=0).tolist()),
        len(found),
        tuple((pixels / max(pixels.sum(), 1)).tolist()) if labels else (),
    )


def _suffixes(
    names: Sequence[str], labels: Path, given: tuple[str | None, str | None]
) -> tuple[str, str]:
    """The ends by which images and labels differ, from the first image and the label most like it."""
    first = names[0]
    others = [str(name) for name in find_pictures(labels)]
    like = max(others, key=lambda name: (len(_shared(first, name)), -len(name)))
    shared = (
        first.removesuffix(Path(first).suffix)
        if first == like
        else _shared(first, like).rstrip('._-')
    )
    ending = given[0] or first[len(shared) :]
    replaced = given[1] or like[len(first) - len(ending) :]
    return ending, replaced


def _shared(one: str, other: str) -> str:
    """What both names begin with."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return ''.join(letter for letter, _ in pairs)


def _one_ending(names: Sequence[str], images: Path) -> str:
    endings = Counter(Path(name).suffix for name in names)
    if len(endings) > 1:
        raise UserError(
            f'{images}: images of several kinds ({", ".join(sorted(endings))}), of which mmseg reads '
            'one: convert them, or name one by --img-suffix'
        )
    return next(iter(endings))


def _require_labels(
    names: Sequence[str], paired: Sequence[str], images: Path, labels: Path
) -> None:
    missing = [i for i, name in enumerate(paired) if not (labels / name).is_file()]
    if missing:
        i = missing[0]
        raise UserError(
            f'{images / names[i]}: has no label {labels / paired[i]} ({len(missing)} of {len(names)} '
            'images have none): add them, move the images away, or give --img-suffix and '
            '--seg-map-suffix if the names differ otherwise'
        )


def _look(
    pair: tuple[Path, Path | None], num_classes: int, zero_is_ignored: bool
) -> tuple[tuple[int, int], np.ndarray] | str:
    """Height and width of an image and the pixels of each class in its label, or what is wrong."""
    image, label = pair
    nothing = np.zeros(num_classes, np.int64)
    wrong = what_is_wrong(image, 'image')
    if wrong:
        return wrong
    with Image.open(image) as picture:
        size = picture.height, picture.width
    if label is None:
        return size, nothing
    try:
        ids = read_indices(label)
    except ValueError as error:
        return f'{label}: the label {error}: write the number of the class into one 8-bit channel'
    if ids.shape != size:
        shapes = [' x '.join(map(str, each)) for each in (ids.shape, size)]
        return f'{label}: is {shapes[0]} (height x width), but its image {shapes[1]}'
    if zero_is_ignored:
        ids = np.where(ids == 0, IGNORE, ids - 1)
    counts = np.bincount(ids.ravel(), minlength=IGNORE + 1)
    beyond = np.flatnonzero(counts[num_classes:IGNORE])
    if beyond.size:
        return _beyond(label, num_classes + int(beyond[-1]) + zero_is_ignored, num_classes)
    return size, counts[:num_classes]


def _beyond(label: Path, found: int, num_classes: int) -> str:
    hint = f'name {found + 1} classes'
    if found == num_classes:
        hint += ', or give --reduce-zero-label if the classes count from 1 and 0 is none of them'
    return (
        f'{label}: holds the id {found}, but {num_classes} classes are numbered 0 to '
        f'{num_classes - 1}, and {IGNORE} is ignored: {hint}'
    )


def _listed(problems: Sequence[str], of: int) -> str:
    if len(problems) == 1:
        return problems[0]
    more = f'\n  and {len(problems) - _NAMED} more' if len(problems) > _NAMED else ''
    lines = ''.join(f'\n  {each}' for each in problems[:_NAMED])
    return f'{len(problems)} of {of} files that were looked at cannot be used:{lines}{more}'
