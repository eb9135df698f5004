"""What two folders of images and labels hold: names, sizes, class ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mmseg_da.datasets.label_files import read_indices
from mmseg_da.datasets.parallel import in_parallel, progress
from mmseg_da.datasets.pictures import read_rgb
from mmseg_da.datasets.reading import IGNORE
from mmseg_da.errors import UserError
from mmseg_da.new_config.pairing import find_images, pair

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
            another size than its label, a label holds colours or an id that is no class, or all hold
            0 and 255 alone; names it.
    """
    for folder in filter(None, (images, labels)):
        if not folder.is_dir():
            raise UserError(f'{folder}: no such folder')
    names = find_images(images, suffixes[0])
    if labels is None:
        ending, replaced, paired = suffixes[0] or Path(names[0]).suffix, '', names
    else:
        ending, replaced = pair(names, images, labels, suffixes)
        paired = [name[: -len(ending)] + replaced for name in names]
    chosen = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).astype(int))
    pairs = [(images / names[i], labels and labels / paired[i]) for i in chosen]
    task = partial(_look, num_classes=len(classes), zero_is_ignored=zero_is_ignored)
    found = list(progress(in_parallel(task, pairs, nproc), f'{images}', total=len(pairs)))
    problems = [each for each in found if isinstance(each, str)]
    if problems:
        raise UserError(_listed(problems, len(found)))
    sizes = np.array([size for size, _ in found])
    pixels = sum(counts for _, counts in found)
    if labels and not pixels[1:IGNORE].any() and pixels[IGNORE]:
        raise UserError(
            f'{labels}: the labels hold nothing but 0 and {IGNORE}, and {IGNORE} is ignored: write '
            'what is white in a mask as 1'
        )
    pixels = pixels[int(zero_is_ignored) :][: len(classes)]
    return Folder(
        images.absolute(),
        labels and labels.absolute(),
        ending,
        replaced,
        len(names),
        tuple(sizes.min(axis=0).tolist()),
        tuple(sizes.max(axis=0).tolist()),
        len(found),
        tuple((pixels / max(pixels.sum(), 1)).tolist()) if labels else (),
    )


def _look(
    pair: tuple[Path, Path | None], num_classes: int, zero_is_ignored: bool
) -> tuple[tuple[int, int], np.ndarray] | str:
    """Height and width of an image and the pixels of each id in its label, or what is wrong."""
    image, label = pair
    try:
        pixels, _ = read_rgb(image)  # turned, as training reads it
    except ValueError as error:
        return f'{image}: the image {error}'
    size = pixels.shape[:2]
    if label is None:
        return size, np.zeros(IGNORE + 1, np.int64)
    try:
        ids = read_indices(label)
    except (OSError, ValueError) as error:
        return f'{label}: the label {error}: write the number of the class into one 8-bit channel'
    if ids.shape != size:
        shapes = [' x '.join(map(str, each)) for each in (ids.shape, size)]
        return f'{label}: is {shapes[0]} (height x width), but its image {shapes[1]}'
    counts = np.bincount(ids.ravel(), minlength=IGNORE + 1)
    first = int(zero_is_ignored)  # 255 stays ignored, as LoadAnnotations has it
    beyond = np.flatnonzero(counts[first + num_classes : IGNORE])
    if beyond.size:
        return _beyond(label, first + num_classes + int(beyond[-1]), first, num_classes)
    return size, counts


def _beyond(label: Path, found: int, first: int, num_classes: int) -> str:
    hint = f'name {found + 1 - first} classes'
    if found == num_classes and not first:
        hint += ', or give --reduce-zero-label if the classes count from 1 and 0 is none of them'
    ignored = f'0 and {IGNORE} are' if first else f'{IGNORE} is'
    return (
        f'{label}: holds the id {found}, but {num_classes} classes are numbered {first} to '
        f'{first + num_classes - 1}, and {ignored} ignored: {hint}'
    )


def _listed(problems: Sequence[str], of: int) -> str:
    if len(problems) == 1:
        return problems[0]
    more = f'\n  and {len(problems) - _NAMED} more' if len(problems) > _NAMED else ''
    lines = ''.join(f'\n  {each}' for each in problems[:_NAMED])
    return f'{len(problems)} of {of} files that were looked at cannot be used:{lines}{more}'
