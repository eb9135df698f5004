"""Labelled sources and an unlabelled target as one dataset."""

import bisect
import copy
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from mmcv.transforms import LoadAnnotations
from mmengine.dataset import BaseDataset, ConcatDataset
from torch.utils.data import Dataset

from mmseg_da.datasets import few_images, merging
from mmseg_da.datasets.label_table import LabelTable, Mappings, tables_of
from mmseg_da.datasets.pseudo_labels import loads_pseudo_labels, match_labels
from mmseg_da.datasets.rare_class_sampling import RareClassSampling
from mmseg_da.datasets.reading import name_files
from mmseg_da.datasets.samplers import Draw, whole_shares
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
    ``gt_sem_seg`` for the source alone, and there in its metainfo ``source_index``, the place of
    its dataset in the list. Target labels are never read, but for those of the few images that
    ``labelled`` names: these come as a third entry, ``'labelled'``. Pseudo labels, if the target
    pipeline loads them, are ``pseudo_sem_seg``.

    Args:
        source: Config of the source dataset, or a list of them.
        target: Config of the target dataset, or a list of them. Its pipelines must not load
            annotations.
        class_mapping: Target class by source class, ``None`` for one to ignore; for several
            sources also a list, one entry each. Needed where the class lists differ; classes of the
            same name need no entry, so ``{}`` goes by name alone.
        source_weights: How often each source is drawn, in exact shares, such as ``[3, 1]``.
            ``None`` draws from all images alike, so a larger source more often.
        labelled: Config of labelled target images, or a list: usually ``FewImages`` around the
            target with its labels, or a dataset whose ``ann_file`` lists them.
        rare_classes: Settings of :class:`~mmseg_da.datasets.rare_classes.RareClasses`, ``{}`` for
            the paper's: the sampler draws classes, the rarer the more often, and source images that
            have them. ``None`` draws images.

    Attributes:
        shares: Whole numbers in the proportion of ``source_weights``, or ``None``.
        rare_classes: What draws classes, or ``None``.
        tables: From the labels of each source to the target's.

    Raises:
        UserError: The class lists differ and the mapping does not bridge them, a dataset is
            empty, the target pipeline loads labels, the weights do not fit, a file of ``labelled``
            is missing or listed twice; while loading, a label that is no class.
    """

    labelled: BaseDataset | ConcatDataset | None = None
    shares: tuple[int, ...] | None = None
    rare_classes: RareClassSampling | None = None

    def __init__(
        self,
        source: dict | Sequence[dict],
        target: dict | Sequence[dict],
        class_mapping: Mappings = None,
        source_weights: Sequence[float] | None = None,
        labelled: dict | Sequence[dict] | None = None,
        rare_classes: dict | None = None,
    ) -> None:
        self.source, self.target = _build('source', source), _build('target', target)
        for part in _leaves(self.target):
            _refuse_annotations(part)
            _same_classes(self.target, part)
        targets = _leaves(self.target)
        pipelines = [list(_flat([part.pipeline])) for part in targets]
        self._self_labelled = [loads_pseudo_labels(each) for each in pipelines]
        match_labels(targets, pipelines)
        self._metainfo = copy.deepcopy(self.target.metainfo)
        classes = self._metainfo['classes']
        parts = _leaves(self.source)
        self.tables = tables_of(
            [part.metainfo['classes'] for part in parts], classes, class_mapping
        )
        if source_weights is not None:
            self.shares = whole_shares(source_weights, len(parts))
        if rare_classes is not None:
            self.rare_classes = RareClassSampling(rare_classes, parts, self.tables, classes)
        if labelled is not None:
            self.labelled = _build('labelled', labelled)
            self._check_labelled()
        self._note_few_images()

    def _check_labelled(self) -> None:
        classes = self._metainfo['classes']
        for part in _leaves(self.labelled):
            _same_classes(self.target, part)
            few_images.require_once(part)
            few_images.require_files(part, 'labelled dataset')
        self._labelled_table = LabelTable(classes, classes)

    def _note_few_images(self) -> None:
        """Have the names of chosen images where a checkpoint keeps them."""
        domains = [each for each in (self.source, self.labelled) if each is not None]
        parts = [part for domain in domains for part in _leaves(domain)]
        found = [part.metainfo[few_images.KEY] for part in parts if few_images.KEY in part.metainfo]
        if found:
            self._metainfo[few_images.KEY] = [name for names in found for name in names]

    @property
    def metainfo(self) -> dict:
        """The target's metainfo: its classes are what the segmentor predicts."""
        return copy.deepcopy(self._metainfo)

    @property
    def source_sizes(self) -> tuple[int, ...]:
        """Number of images of each source."""
        return tuple(len(part) for part in _leaves(self.source))

    def __len__(self) -> int:
        """Number of source images."""
        return len(self.source)

    def __getitem__(self, index: Draw | int) -> dict[str, dict]:
        """One sample of each domain; a :class:`Draw` also fixes every random augmentation in it."""
        if isinstance(index, Draw):
            with seeded(index.seed):
                return self._drawn(index)
        return self._drawn(Draw(index, index % len(self.target), seed=0))

    def _drawn(self, draw: Draw) -> dict[str, dict]:
        source, labelled = draw.source, draw.labelled
        item = dict(
            source=self.source_sample(source, draw.rare_class),
            target=self.target_sample(draw.target),
        )
        if self.labelled is not None:  # last, so that it changes no augmentation of the others
            number = source % len(self.labelled) if labelled is None else labelled
            item['labelled'] = self.labelled_sample(number)
        return item

    def source_sample(self, index: int, rare_class: int | None = None) -> dict:
        """One source image alone, with its labels in the target's classes.

        Args:
            index: Of the image.
            rare_class: Target class that its crop is to have enough of.
        """
        part = _part(self.source, index)
        wanting = (
            self.rare_classes.wanting(part, rare_class) if self.rare_classes else nullcontext()
        )
        with wanting:
            sample = _labelled('source', self.source[index])
        self.tables[part].relabel(sample['data_samples'])
        sample['data_samples'].set_metainfo(dict(source_index=part))
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

    def labelled_sample(self, index: int) -> dict:
        """One of the labelled target images alone, with its labels."""
        sample = _labelled('labelled', self.labelled[index])
        self._labelled_table.relabel(sample['data_samples'])
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
    parts = [_build_one(domain, each) for each in cfg]
    # Classes are compared by us, and each source may need a mapping of its own.
    waits = not all(part._fully_initialized for part in parts)
    return ConcatDataset(parts, lazy_init=waits, ignore_keys=_meta_keys(cfg))


def _build_one(domain: str, cfg: dict) -> BaseDataset:
    try:
        built = DATASETS.build(cfg)
        if domain == 'labelled':  # few, and looked at one by one
            built.full_init()
        name_files(built)
        return built
    except ValueError as error:
        # All that mmengine says about an empty dataset is that NumPy could not join its items.
        if 'need at least one array' not in str(error):
            raise
    cfg = merging.unwrapped(cfg)
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


def _labelled(domain: str, sample: dict) -> dict:
    sample = _packed(domain, sample)
    if 'gt_sem_seg' not in sample['data_samples']:
        raise UserError(
            f"{domain} dataset: its pipeline loads no labels; add dict(type='LoadAnnotations') after "
            'the image is loaded'
        )
    return sample


def _meta_keys(cfg: Sequence[dict]) -> list[str]:
    own = ['classes', 'palette', 'label_map', 'reduce_zero_label', few_images.KEY, merging.KEY]
    return own if len(cfg) > 1 else []


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
