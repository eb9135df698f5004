"""Classes that are merged into coarser ones by name."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from mmseg_da.datasets.reading import IGNORE
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

KEY = 'merged_from'
"""In a dataset's metainfo: the class list that its own classes were made of, by name."""

Groups = Mapping[str, Sequence[str]]


class Merging(NamedTuple):
    """A coarser set of classes.

    Attributes:
        groups: The merged classes, each with the classes that it is made of, in order.
        table: For each of the finer classes the number of its group, 255 if it has none.
    """

    groups: dict[str, tuple[str, ...]]
    table: tuple[int, ...]

    @property
    def ignored(self) -> tuple[int, ...]:
        """The numbers of the finer classes that are in no group."""
        return tuple(old for old, new in enumerate(self.table) if new == IGNORE)


def merge(classes: Sequence[str], groups: Groups, others: str, what: str) -> Merging:
    """Merge classes by name.

    Args:
        classes: The finer classes.
        groups: The classes that each merged one is made of, by its name.
        others: What becomes of classes in no group: ``'keep'`` each for itself, after the groups,
            or ``'ignore'``.
        what: Who asks, for the message.

    Raises:
        UserError: A group is empty, names a class that is not there or that another group has, or
            has the name of a class that is kept beside it.
    """
    if others not in ('keep', 'ignore'):
        raise UserError(f"{what}: others={others!r} is neither 'keep' nor 'ignore'")
    if not isinstance(groups, Mapping) or not groups:
        raise UserError(f"{what}: {groups!r} is no dict such as dict(vehicle=['car', 'truck'])")
    owner: dict[str, str] = {}
    for name, members in groups.items():
        if isinstance(members, str) or not isinstance(members, Sequence) or not members:
            raise UserError(
                f'{what}: group {name!r} is {members!r}, but has to be a list of classes'
            )
        for member in members:
            if member not in classes:
                raise UserError(
                    f'{what}: group {name!r} names {member!r}, which is no class. The classes: '
                    f'{list(classes)}'
                )
            if member in owner:
                raise UserError(
                    f'{what}: {member!r} is in group {owner[member]!r} and again in {name!r}'
                )
            owner[member] = name
    merged = {name: tuple(members) for name, members in groups.items()}
    if others == 'keep':
        kept = [name for name in classes if name not in owner]
        both = sorted(set(kept) & set(merged))
        if both:
            raise UserError(f'{what}: {both[0]!r} is a group and a class outside of it: rename it')
        merged |= {name: (name,) for name in kept}
        owner |= {name: name for name in kept}
    order = list(merged)
    table = tuple(order.index(owner[name]) if name in owner else IGNORE for name in classes)
    return Merging(merged, table)


@DATASETS.register_module(name='MergedClasses')
def merged_classes(dataset: dict, groups: Groups, others: str = 'keep') -> BaseSegDataset:
    """Build a data set whose labels are those of another one in fewer, merged classes.

    Its classes are the groups, and with ``others='keep'`` the classes that are in none. Give it for
    the source, the target and the validation data of a config, and the same number of classes to
    every head, and the training and its scores are in the merged classes. Which classes each is made
    of goes to the log, to ``metainfo['merged_from']``, and with ``ClassIoUMetric`` to the scores.

    Args:
        dataset: Config of one mmseg dataset; it may name classes of its own, of which groups are
            made.
        groups: Classes by the name of what they are merged into, ``dict(vehicle=['car', 'bus'])``.
        others: ``'keep'`` or ``'ignore'`` the classes that are in no group.

    Raises:
        UserError: The groups do not fit its classes, or it is no single mmseg dataset.
    """
    kind = dataset.get('type') if isinstance(dataset, Mapping) else None
    found = DATASETS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(found, type) and issubclass(found, BaseSegDataset)):
        raise UserError(f'MergedClasses: {kind or dataset!r} is no single dataset of mmseg')
    waits = dataset.get('lazy_init', False)
    built = DATASETS.build(dict(dataset, lazy_init=True))
    fine = built.metainfo.get('classes')
    if not fine:
        raise UserError('MergedClasses: the dataset names no classes: give it metainfo')
    merging = merge(fine, groups, others, 'MergedClasses')
    palette = built.metainfo['palette']
    first = [fine.index(members[0]) for members in merging.groups.values()]
    before = built.label_map or {label: label for label in range(len(fine))}
    built.label_map = {
        label: IGNORE if old == IGNORE else merging.table[old] for label, old in before.items()
    }
    built._metainfo.update(
        {
            'classes': tuple(merging.groups),
            'palette': [list(palette[number]) for number in first],
            'label_map': built.label_map,
            KEY: {name: list(members) for name, members in merging.groups.items()},
        }
    )
    if not waits:
        built.full_init()
        print_log(f'MergedClasses: {describe(merging, fine)}', 'current')
    return built


def describe(merging: Merging, classes: Sequence[str]) -> str:
    """Which classes each merged one is made of, in words."""
    parts = [f'{name}: {", ".join(members)}' for name, members in merging.groups.items()]
    if merging.ignored:
        parts.append(f'ignored: {", ".join(classes[number] for number in merging.ignored)}')
    return '; '.join(parts)


def unwrapped(cfg: Any) -> Any:
    """The config of the dataset inside of ``FewImages`` and ``MergedClasses``."""
    while isinstance(cfg, Mapping) and 'dataset' in cfg:
        cfg = cfg['dataset']
    return cfg
