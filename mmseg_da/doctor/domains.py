"""The data sets that a config trains and validates on, one by one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset, ConcatDataset
from torch.utils.data import Dataset

from mmseg_da.datasets import SourceTargetDataset
from mmseg_da.datasets.class_pixels import class_pixels
from mmseg_da.datasets.rare_class_sampling import partners_of
from mmseg_da.datasets.reading import IGNORE
from mmseg_da.doctor.findings import Finding, one_line
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

_RARE = 1e-4  # of the labelled pixels


@dataclass
class Domain:
    """One data set.

    Attributes:
        name: ``source``, ``target``, ``validation`` or the like.
        dataset: It.
        classes: Names.
        has_labels: Its labels are read.
        images: Files, in order.
        pixels: Of each class (C,), or ``None`` where they were not counted.
        partners: The class of each stored label, where they are others.
    """

    name: str
    dataset: BaseDataset
    classes: tuple[str, ...]
    has_labels: bool
    images: list[str] = field(default_factory=list)
    pixels: np.ndarray | None = None
    partners: np.ndarray | None = None

    @property
    def transforms(self) -> list[Any]:
        """Of its pipeline, if it has one."""
        return list(getattr(getattr(self.dataset, 'pipeline', None), 'transforms', ()))

    def some(self, most: int) -> list[int]:
        """Numbers of images, spread evenly: all, or as many as asked for."""
        if not self.images:
            return []
        return np.unique(np.linspace(0, len(self.images) - 1, most).astype(int)).tolist()

    @property
    def shares(self) -> dict[str, float]:
        """Of the labelled pixels, by class."""
        if self.pixels is None:
            return {}
        total = max(int(self.pixels.sum()), 1)
        return dict(zip(self.classes, (self.pixels / total).tolist(), strict=True))


def domains_of(cfg: Config, nproc: int = 1) -> tuple[list[Domain], list[Finding]]:
    """Every data set of a config, with the pixels of its classes, and what is wrong with them.

    Labels of the target's training images are not read. Sources' classes are counted as the target's.

    Args:
        cfg: A training config; a loader that is no dict is left out.
        nproc: Processes that count.
    """
    domains, findings = [], []
    for name, build in _builders(cfg).items():
        try:
            domains += build()
        except Exception as error:  # a data set that cannot be made says so in many ways
            findings.append(Finding('bad', 'data', f'{name}: {one_line(error)}'))
    for domain in domains:
        findings += _count(domain, nproc)
    return domains, findings


def _builders(cfg: Config) -> dict[str, Callable[[], list[Domain]]]:
    found: dict[str, Callable[[], list[Domain]]] = {}
    train, val = (_dataset(cfg.get(key)) for key in ('train_dataloader', 'val_dataloader'))
    if train is not None:
        found['training data'] = lambda: _training(DATASETS.build(train))
    if val is not None:
        found['validation data'] = lambda: _domains('validation', DATASETS.build(val), True)
    return found


def _dataset(loader: Any) -> Mapping[str, Any] | None:
    found = loader.get('dataset') if isinstance(loader, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _training(dataset: Any) -> list[Domain]:
    if not isinstance(dataset, SourceTargetDataset):
        return _domains('training', dataset, True)
    found = []
    # A source may be wrapped, but has one table.
    sources = dataset.source.datasets if len(dataset.tables) > 1 else [dataset.source]
    for number, (source, table) in enumerate(zip(sources, dataset.tables, strict=True)):
        for domain in _domains('source' if len(sources) == 1 else f'source {number}', source, True):
            domain.partners, domain.classes = partners_of(table), tuple(dataset.metainfo['classes'])
            found.append(domain)
    found += _domains('target', dataset.target, False)
    if dataset.labelled is not None:
        found += _domains('labelled target', dataset.labelled, True)
    return found


def _domains(name: str, dataset: Any, has_labels: bool) -> list[Domain]:
    parts = _unwrapped(dataset)
    made = []
    for number, part in enumerate(parts):
        part.full_init()
        own = name if len(parts) == 1 else f'{name} {number}'
        images = [part.get_data_info(i).get('img_path', '') for i in range(len(part))]
        made.append(
            Domain(own, part, tuple(part.metainfo.get('classes') or ()), has_labels, images)
        )
    return made


def _unwrapped(dataset: Any) -> list[Any]:
    """The data sets inside of those that join or repeat them, such as RepeatDataset, each once."""
    if isinstance(dataset, ConcatDataset):
        return [part for each in dataset.datasets for part in _unwrapped(each)]
    inner = getattr(dataset, 'dataset', None)
    return _unwrapped(inner) if isinstance(inner, Dataset) else [dataset]


def _count(domain: Domain, nproc: int) -> list[Finding]:
    found = [Finding('good', 'data', f'{domain.name}: {len(domain.images):,} images')]
    if not domain.has_labels:
        text = f'{domain.name}: labels are not needed, and not read'
        return [*found, Finding('good', 'data', text)]
    if not isinstance(domain.dataset, BaseDataset) or not domain.classes:
        return [*found, Finding('warning', 'data', f'{domain.name}: its labels were not counted')]
    try:
        counts = class_pixels(domain.dataset, nproc=nproc).sum(axis=0)
    except UserError as error:
        return [*found, Finding('bad', 'data', str(error).replace('rare_classes', domain.name))]
    if domain.partners is not None:
        merged = np.zeros(len(domain.classes), np.int64)
        for label, partner in enumerate(domain.partners):
            if partner != IGNORE:
                merged[partner] += counts[label]
        counts = merged
    domain.pixels = counts
    missing = [name for name, share in domain.shares.items() if not share]
    rare = [name for name, share in domain.shares.items() if 0 < share < _RARE]
    if missing:
        level = 'warning' if domain.name.startswith('validation') else 'bad'
        level = 'warning' if len(missing) < len(domain.classes) else level
        text = f'{domain.name}: no pixel is labelled {", ".join(missing)}: see that the numbers in '
        found.append(Finding(level, 'data', text + 'the labels and the order of the classes agree'))
    if rare:
        text = (
            f'{domain.name}: less than 1 in 10,000 pixels is {", ".join(rare)}: rare_classes draws '
        )
        found.append(
            Finding('warning', 'data', text + 'such images more often (docs/rare_classes.md)')
        )
    return found


def compare(domains: list[Domain]) -> list[Finding]:
    """Classes that the source teaches and the target lacks, and the other way round."""
    sources = [d for d in domains if d.name.startswith('source') and d.pixels is not None]
    targets = [d for d in domains if d.name.startswith('validation') and d.pixels is not None]
    if not sources or not targets or len({d.classes for d in (*sources, *targets)}) > 1:
        return []
    taught = sum(d.pixels for d in sources) > 0
    asked = sum(d.pixels for d in targets) > 0
    names, found = np.array(sources[0].classes), []
    if (asked & ~taught).any():
        text = f'no source image teaches {", ".join(names[asked & ~taught])}, which the validation has: '
        found.append(
            Finding('warning', 'data', text + 'its IoU stays 0, unless a mapping gives it')
        )
    if (taught & ~asked).any():
        text = f'the validation images have no {", ".join(names[taught & ~asked])}: its IoU is not a number'
        found.append(Finding('warning', 'data', text))
    return found


def crop_of(domain: Domain) -> tuple[int, int] | None:
    """Height and width of the crops of a domain's pipeline, if it crops."""
    sizes = (getattr(each, 'crop_size', None) for each in domain.transforms)
    return next((size for size in sizes if size is not None), None)
