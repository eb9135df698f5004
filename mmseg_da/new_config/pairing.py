"""Which end the names of images have, and which one their labels have in its place."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np

from mmseg_da.datasets.pictures import find_pictures
from mmseg_da.errors import UserError

_TRIED = 100  # images whose labels are looked for
_JOINTS = '._-'  # an end that is found begins with one of them, where there is one
_Ends = tuple[str | None, str | None]


def find_images(images: Path, ending: str | None) -> list[str]:
    """The names of images, relative to their folder.

    Args:
        images: The folder.
        ending: End of those that are meant; ``None`` if it is to be found.

    Raises:
        UserError: There are none, or they are of several kinds.
    """
    names = [str(name) for name in find_pictures(images)]
    if ending is None:
        kinds = sorted({Path(name).suffix for name in names})
        if len(kinds) > 1:
            raise UserError(
                f'{images}: images of several kinds ({", ".join(kinds)}), of which mmseg reads one: '
                'convert them, or name one by --img-suffix'
            )
        return names
    names = [name for name in names if name.endswith(ending)]
    if not names:
        raise UserError(f'{images}: no image ends in {ending!r}: correct --img-suffix')
    return names


def pair(names: Sequence[str], images: Path, labels: Path, given: _Ends) -> tuple[str, str]:
    """The ends of images and labels with which each image has a label.

    Equal names come first, if half of the images have a label so. An end that is found is one of
    all images, and begins neither inside a number or a word nor with a number.

    Args:
        names: The images.
        images: Their folder.
        labels: Folder of the labels.
        given: The ends; what is ``None`` is found.

    Raises:
        UserError: An image has no label, or labels of several kinds; names it.
    """
    ending, replaced = given
    if ending is None or replaced is None:
        ending, replaced = _found(names, images, labels, given)
    paired = _renamed(names, (ending, replaced))
    missing = [i for i, name in enumerate(paired) if not (labels / name).is_file()]
    if missing:
        i = missing[0]
        raise UserError(
            f'{images / names[i]}: has no label {labels / paired[i]} ({len(missing)} of {len(names)} '
            'images have none): add them, move the images away, or give --img-suffix and '
            '--seg-map-suffix if the names differ otherwise'
        )
    return ending, replaced


def _found(names: Sequence[str], images: Path, labels: Path, given: _Ends) -> tuple[str, str]:
    others = sorted(str(name) for name in find_pictures(labels))
    itself = images.resolve() == labels.resolve()
    known = set(others)
    counts = {
        ends: sum(name in known for name in _renamed(names, ends))
        for ends in set(_candidates(names, others, given))
        if not (itself and ends[0] == ends[1])
    }
    if not counts:
        raise UserError(
            f'{images / names[0]}: has no label in {labels} of the same name, but for its end: name '
            'labels as their images, or give --img-suffix and --seg-map-suffix'
        )
    best = [ends for ends, count in counts.items() if _is_plain(ends) and 2 * count >= len(names)]
    best = best or [ends for ends, count in counts.items() if count == max(counts.values())]
    if len(best) > 1:
        kinds = ', '.join(sorted(replaced for _, replaced in best))
        raise UserError(
            f'{labels}: images have labels of several kinds, whose names end in {kinds}: name one by '
            '--seg-map-suffix'
        )
    return best[0]


def _candidates(
    names: Sequence[str], others: Sequence[str], given: _Ends
) -> Iterator[tuple[str, str]]:
    """Ends of some images, and of the labels whose names have the most in common with theirs."""
    chosen = np.unique(np.linspace(0, len(names) - 1, min(_TRIED, len(names))).astype(int))
    for name in [names[i] for i in chosen]:
        for ending in [given[0]] if given[0] else _endings(name, names):
            kept = name[: -len(ending)]
            rests = [rest for rest in _rests(kept, others) if given[1] in (None, rest)]
            yield from ((ending, rest) for rest in rests)
            if rests:
                break


def _endings(name: str, names: Sequence[str]) -> Iterator[str]:
    """Ends that an image may have in common with all others, beginning with its suffix."""
    for at in range(len(name) - len(Path(name).suffix), 0, -1):
        if '/' in name[at:] or not all(each.endswith(name[at:]) for each in names):
            return
        numbered = name[at:].lstrip(_JOINTS)[:1].isdigit()
        if name[at - 1] not in _JOINTS and not numbered and not _is_inside(name, at):
            yield name[at:]


def _rests(kept: str, others: Sequence[str]) -> list[str]:
    """What follows in the sorted names that begin so."""
    begin = bisect_left(others, kept)
    same = takewhile(lambda name: name.startswith(kept), others[begin:])
    return [
        name[len(kept) :]
        for name in same
        if name != kept and '/' not in name[len(kept) :] and not _is_inside(name, len(kept))
    ]


def _is_inside(name: str, at: int) -> bool:
    """Whether a place is inside a number or a word."""
    around = name[max(at - 1, 0) : at + 1]
    return len(around) == 2 and (around.isdigit() or around.isalpha())


def _is_plain(ends: tuple[str, str]) -> bool:
    return all(end.startswith('.') and end.count('.') == 1 for end in ends)


def _renamed(names: Sequence[str], ends: tuple[str, str]) -> list[str]:
    return [name[: -len(ends[0])] + ends[1] for name in names]
