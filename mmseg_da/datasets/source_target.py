"""A labelled source and an unlabelled target as one dataset."""

import bisect
import copy
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from mmcv.transforms import LoadAnnotations
from mmengine.dataset import BaseDataset, ConcatDataset
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.utils.data import Dataset

from mmseg_da.datasets.pseudo_labels import loads_pseudo_labels
from mmseg_da.datasets.reading import IGNORE, name_files
from mmseg_da.datasets.samplers import Draw
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

_NEVER_READ = (
    'target labels are never read in training; remove what loads them from the target pipeline'
)


@DATASETS.register_module()
class SourceTargetDataset(Dataset):
    """Pairs of a labelled source image and an unlabelled target image.

    Each domain is any mmseg dataset, or several, with its own pipeline, sizes and suffixes. An
    item is ``{'source': {'inputs', 'data_samples'}, 'target': {...}}`` as mmseg's
    ``PackSegInputs`` gives them: pixels uint8 (3, H, W) and a data sample, which holds
    ``gt_sem_seg`` for the source alone. Target labels are never read; pseudo labels, if the target
    pipeline loads them, are ``pseudo_sem_seg``.

    Args:
        source: Config of the source dataset, or a list of them.
        target: Config of the target dataset, or a list of them. Its pipelines must not load
            annotations.
        class_mapping: Target class by source class, ``None`` for one to ignore. Needed where the
            class lists differ; classes of the same name need no entry.

    Raises:
        UserError: The class lists differ and the mapping does not bridge them, a dataset is
            empty, the target pipeline loads labels; while loading, a label that is no class.
    """

    def __init__(
        self,
        source: dict | Sequence[dict],
        target: dict | Sequence[dict],
        class_mapping: Mapping[str, str | None] | None = None,
    ) -> None:
        self.source, self.target = _build('source', source), _build('target', target)
        for part in _leaves(self.target):
            _refuse_annotations(part)
            _same_classes(self.target, part)
        targets = _leaves(self.target)
        self._self_labelled = [loads_pseudo_labels(_flat([part.pipeline])) for part in targets]
        self._metainfo = copy.deepcopy(self.target.metainfo)
        classes, mapping = self._metainfo['classes'], class_mapping or {}
        sources = [part.metainfo['classes'] for part in _leaves(self.source)]
        unknown = sorted(set(mapping).difference(*sources))
        if unknown:
            raise UserError(f'class_mapping: {unknown} are no source classes.\nsource: {sources}')
        self._tables = [LabelTable(each, classes, mapping) for each in sources]

    @property
    def metainfo(self) -> dict:
        """The target's metainfo: its classes are what the segmentor predicts."""
        return copy.deepcopy(self._metainfo)

    def __len__(self) -> int:
        """Number of source images."""
        return len(self.source)

    def __getitem__(self, index: Draw | int) -> dict[str, dict]:
        """One pair; a :class:`Draw` also fixes every random augmentation in it."""
        if isinstance(index, Draw):
            with seeded(index.seed):
                return self._pair(index.source, index.target)
        return self._pair(index, index % len(self.target))

    def _pair(self, source_index: int, target_index: int) -> dict[str, dict]:
        return dict(
            source=self.source_sample(source_index), target=self.target_sample(target_index)
        )

    def source_sample(self, index: int) -> dict:
        """One source image alone, with its labels in the target's classes."""
        sample = _packed('source', self.source[index])
        if 'gt_sem_seg' not in sample['data_samples']:
            raise UserError(
                "source dataset: its pipeline loads no labels; add dict(type='LoadAnnotations') after "
                'the image is loaded'
            )
        self._tables[_part(self.source, index)].relabel(sample['data_samples'])
        return sample

    def target_sample(self, index: int) -> dict:
        """One target image alone."""
        sample = _packed('target', self.target[index])
        labelled = sample['data_samples']
        if 'gt_sem_seg' in labelled:
            if not self._self_labelled[_part(self.target, index)]:
                raise UserError(f'target dataset: its pipeline sets labels; {_NEVER_READ}')
            labelled.pseudo_sem_seg = labelled.gt_sem_seg
            del labelled.gt_sem_seg
        return sample


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python, NumPy and torch for one sample, then give back the states they had."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def _build(domain: str, cfg: dict | Sequence[dict]) -> BaseDataset | ConcatDataset:
    if isinstance(cfg, Mapping):
        return _build_one(domain, cfg)
    if not cfg:
        raise UserError(f'{domain} dataset: the list is empty; give at least one dataset')
    # Classes are compared by us, and each source may need a mapping of its own.
    return ConcatDataset([_build_one(domain, each) for each in cfg], ignore_keys=_meta_keys(cfg))


def _build_one(domain: str, cfg: dict) -> BaseDataset:
    try:
        built = DATASETS.build(cfg)
        name_files(built)
        return built
    except ValueError as error:
        # All that mmengine says about an empty dataset is that NumPy could not join its items.
        if 'need at least one array' not in str(error):
            raise
    prefix = cfg.get('data_prefix') or {}
    folder = os.path.join(cfg.get('data_root') or '', prefix.get('img_path') or '')
    raise UserError(f'{domain} dataset: no image found in {folder}; check the path and suffix')


def _packed(domain: str, sample: dict) -> dict:
    if 'inputs' not in sample or 'data_samples' not in sample:
        raise UserError(
            f"{domain} dataset: its pipeline does not end in dict(type='PackSegInputs'); it gives "
            f'{sorted(sample)}'
        )
    return sample


def _meta_keys(cfg: Sequence[dict]) -> list[str]:
    return ['classes', 'palette', 'label_map', 'reduce_zero_label'] if len(cfg) > 1 else []


def _leaves(dataset: BaseDataset | ConcatDataset) -> list[BaseDataset]:
    return list(dataset.datasets) if isinstance(dataset, ConcatDataset) else [dataset]


def _part(dataset: BaseDataset | ConcatDataset, index: int) -> int:
    """Which of the joined datasets a sample is of."""
    joined = isinstance(dataset, ConcatDataset)
    return bisect.bisect_right(dataset.cumulative_sizes, index) if joined else 0


def _refuse_annotations(dataset: BaseDataset) -> None:
    for transform in _flat([dataset.pipeline]):
        if isinstance(transform, LoadAnnotations):
            kind = type(transform).__name__
            raise UserError(f'target dataset: its pipeline has {kind}, but {_NEVER_READ}')


def _flat(pipeline: Iterable) -> Iterator:
    """Every transform of a pipeline, also inside of wrappers such as RandomApply."""
    for transform in pipeline:
        yield transform
        inner = getattr(transform, 'transforms', ())
        yield from _flat(inner if isinstance(inner, Iterable) else [inner])


def _same_classes(dataset: BaseDataset | ConcatDataset, part: BaseDataset) -> None:
    classes, others = dataset.metainfo['classes'], part.metainfo['classes']
    if list(classes) != list(others):
        raise UserError(
            f'the target datasets differ in their classes:\n{list(classes)}\n{list(others)}\n'
            'Give them the same metainfo=dict(classes=...).'
        )


class LabelTable:
    """From the labels of one source dataset to the target's.

    Args:
        source: Classes of the source, by label.
        target: Classes of the target, by label.
        mapping: Target class by source class, ``None`` to ignore.

    Raises:
        UserError: The lists differ and the mapping leaves a class without a partner.
    """

    def __init__(
        self, source: Sequence[str], target: Sequence[str], mapping: Mapping[str, str | None]
    ) -> None:
        self.num_classes = len(source)
        self.table: Tensor | None = None
        if list(source) == list(target) and not set(source) & set(mapping):
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


def _check_mapping(
    source: Sequence[str], target: Sequence[str], mapping: Mapping[str, str | None]
) -> None:
    lists = f'source: {list(source)}\ntarget: {list(target)}'
    if not mapping:
        raise UserError(
            f'the classes of the two domains differ.\n{lists}\nGive both datasets '
            'metainfo=dict(classes=...), or SourceTargetDataset a class_mapping.'
        )
    unknown = [name for name in mapping.values() if name is not None and name not in target]
    missing = [name for name in source if name not in mapping and name not in target]
    if unknown or missing:
        raise UserError(
            f'class_mapping: {missing} have no entry and no class of that name, {unknown} are no '
            f'target classes.\n{lists}\nMap a class to None to ignore it.'
        )
