"""From the labels of one source to those of the target, class by class."""

from collections.abc import Mapping, Sequence

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_da.datasets.reading import IGNORE
from mmseg_da.errors import UserError

Mappings = Mapping[str, str | None] | Sequence[Mapping[str, str | None] | None] | None


class LabelTable:
    """From the labels of one source dataset to the target's.

    Args:
        source: Classes of the source, by label.
        target: Classes of the target, by label.
        mapping: Target class by source class, ``None`` to ignore. Classes of the same name need no
            entry, so an empty mapping goes by name alone; without any, the lists have to be equal.

    Raises:
        UserError: The lists differ and the mapping leaves a class without a partner.
    """

    def __init__(
        self,
        source: Sequence[str],
        target: Sequence[str],
        mapping: Mapping[str, str | None] | None = None,
    ) -> None:
        self.num_classes = len(source)
        self.table: Tensor | None = None
        if list(source) == list(target) and not set(source) & set(mapping or ()):
            return
        _check_mapping(source, target, mapping)
        self.table = torch.full((256,), IGNORE, dtype=torch.uint8)
        for label, name in enumerate(source):
            partner = mapping.get(name, name)
            if partner is not None:
                self.table[label] = list(target).index(partner)

    def relabel(self, sample: SegDataSample) -> None:
        """Replace the sample's labels in place.

        Raises:
            UserError: A label is neither a class of the source nor 255; names the file.
        """
        labels = sample.gt_sem_seg.data
        wrong = (labels >= self.num_classes) & (labels != IGNORE)
        if wrong.any():
            raise UserError(
                f'{sample.seg_map_path}: label {int(labels[wrong][0])} is none of the '
                f'{self.num_classes} classes (0 to {self.num_classes - 1}) and not {IGNORE}; '
                'convert the labels, or name all classes in metainfo'
            )
        if self.table is not None:
            sample.gt_sem_seg.data = self.table[labels.long()].to(labels.dtype)


def tables_of(
    sources: Sequence[Sequence[str]], target: Sequence[str], class_mapping: Mappings
) -> list[LabelTable]:
    """One table per source.

    Args:
        sources: The classes of each source.
        target: The classes of the target.
        class_mapping: One mapping for all sources, or one per source in a list.

    Raises:
        UserError: A mapping has an entry that is no source class, or does not bridge the lists, or
            there are not as many as sources.
    """
    if class_mapping is None or isinstance(class_mapping, Mapping):
        given = class_mapping or {}
        unknown = sorted(set(given).difference(*sources))
        if unknown:
            raise UserError(f'class_mapping: {unknown} are no source classes.\nsource: {sources}')
        return [LabelTable(each, target, class_mapping) for each in sources]
    if isinstance(class_mapping, str) or len(class_mapping) != len(sources):
        raise UserError(
            f'class_mapping is {class_mapping!r}: give one dict for all sources, or a list of '
            f'{len(sources)}, one for each source, None where its classes are those of the target'
        )
    tables = []
    for number, (classes, mapping) in enumerate(zip(sources, class_mapping, strict=True)):
        unknown = sorted(set(mapping or ()).difference(classes))
        if unknown:
            raise UserError(
                f'class_mapping: {unknown} are no classes of source {number}: {list(classes)}'
            )
        tables.append(LabelTable(classes, target, mapping))
    return tables


def _check_mapping(
    source: Sequence[str], target: Sequence[str], mapping: Mapping[str, str | None] | None
) -> None:
    lists = f'source: {list(source)}\ntarget: {list(target)}'
    if mapping is None:
        raise UserError(
            f'the classes of the two domains differ.\n{lists}\nGive both datasets '
            'metainfo=dict(classes=...), or SourceTargetDataset a class_mapping (an empty one goes '
            'by name).'
        )
    unknown = [name for name in mapping.values() if name is not None and name not in target]
    missing = [name for name in source if name not in mapping and name not in target]
    if unknown or missing:
        raise UserError(
            f'class_mapping: {missing} have no entry and no class of that name, {unknown} are no '
            f'target classes.\n{lists}\nMap a class to None to ignore it.'
        )
