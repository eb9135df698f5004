"""IoU of every class, of named sets of classes, and of every domain."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import MMLogger, print_log
from mmseg.evaluation.metrics import IoUMetric
from prettytable import PrettyTable

from mmseg_da.datasets.merging import KEY as MERGED_FROM
from mmseg_da.datasets.merging import Groups, Merging, merge
from mmseg_da.datasets.reading import IGNORE
from mmseg_da.errors import UserError
from mmseg_da.registry import METRICS

MERGED = 'merged'
"""In front of the names of metrics of merged classes, as a domain's name is."""

_TAKEN = ('aAcc', 'mIoU', 'mAcc', 'mDice', 'mFscore', 'mPrecision', 'mRecall')


@METRICS.register_module()
class ClassIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric`` that also returns ``IoU.<class>``, and means of subsets and domains.

    mmseg prints the classes in a table and logs their means alone; with this one they are in
    ``vis_data/scalars.json`` and every other backend too. In percent; a class that neither the
    labels nor the predictions contain is ``nan``, as in the table, and not part of a mean.

    Args:
        subsets: Names of classes by the name of their mean, e.g.
            ``dict(mIoU16=('road', 'sidewalk', ...))``. The confusion with the other classes counts:
            the predictions stay those of all classes.
        domains: Part of the path of its images by the name of a domain, e.g.
            ``dict(Rome='Rome/Images', Rio='Rio/Images')``: whole names of folders or files. Each
            domain gets ``<domain>/mIoU``, ``<domain>/<subset>`` and ``<domain>/IoU.<class>``, the
            names without a domain are over all images. Domains without an image are ``nan``.
        merged: Classes by the name of what they are merged into, ``dict(vehicle=['car', 'bus'])``:
            predictions and labels are also compared in these coarser classes, where a car that is
            taken for a bus is right. They get ``merged/mIoU`` and ``merged/IoU.<group>``, over all
            images.
        others: With ``merged``: ``'keep'`` or ``'ignore'`` the classes that are in no group. Labels
            of ignored ones do not count; a prediction of one is wrong.
        **kwargs: See :class:`mmseg.evaluation.IoUMetric`.

    Raises:
        UserError: A subset is empty, repeats a class, names one that the dataset has not, or has
            the name of another metric; an image is of no domain or of several; the merged classes
            do not fit (see :func:`mmseg_da.datasets.merging.merge`).
    """

    def __init__(
        self,
        *args: Any,
        subsets: Mapping[str, Sequence[str]] | None = None,
        domains: Mapping[str, str] | None = None,
        merged: Groups | None = None,
        others: str = 'keep',
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.subsets = {name: tuple(classes) for name, classes in (subsets or {}).items()}
        self.domains = {name: Path(part).parts for name, part in (domains or {}).items()}
        for name, classes in self.subsets.items():
            _check_subset(name, classes)
        for name, parts in self.domains.items():
            if not parts:
                raise UserError(f'ClassIoUMetric: domains[{name!r}] is empty; give part of a path')
        if merged is not None and MERGED in self.domains:
            raise UserError(f'ClassIoUMetric: domains[{MERGED!r}] has the name of merged classes')
        self._groups, self._others = merged, others
        self.merging: Merging | None = None

    @property
    def dataset_meta(self) -> dict | None:
        """Metainfo of the dataset."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        known = (dataset_meta or {}).get('classes') or ()
        for name, classes in self.subsets.items():
            unknown = [each for each in classes if each not in known]
            if unknown:
                raise UserError(
                    f'ClassIoUMetric: subsets[{name!r}] names {unknown}, which the dataset has '
                    f'not. Its classes: {list(known)}'
                )
        if self._groups is not None and known:
            self.merging = merge(known, self._groups, self._others, 'ClassIoUMetric.merged')
        self._dataset_meta = dataset_meta

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the areas of one batch, note the domain of each image, count in merged classes."""
        before = len(self.results)
        super().process(data_batch, data_samples)
        if self.format_only:
            return
        for number, sample in enumerate(data_samples, before):
            domain = self._domain(sample) if self.domains else None
            self.results[number] = (*self.results[number], domain, self._merged_areas(sample))

    def _merged_areas(self, sample: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Intersection and union per merged class (K,) of one image."""
        if self.merging is None:
            return None
        predicted = sample['pred_sem_seg']['data'].squeeze()
        label = sample['gt_sem_seg']['data'].squeeze().to(predicted)
        table = predicted.new_full((256,), IGNORE)
        table[: len(self.merging.table)] = predicted.new_tensor(self.merging.table)
        label = torch.where(label == self.ignore_index, IGNORE, table[label.long()])
        # A predicted class that is ignored is one more, which is never right.
        count = len(self.merging.groups)
        predicted = table[predicted.long()]
        predicted = predicted.masked_fill(predicted == IGNORE, count)
        return self.intersect_and_union(predicted, label, count + 1, IGNORE)[:2]

    def _domain(self, sample: Mapping[str, Any]) -> str:
        path = sample.get('img_path')
        if path is None:
            raise UserError(
                "ClassIoUMetric: domains needs 'img_path' in meta_keys of PackSegInputs"
            )
        parts = Path(path).parts
        found = [name for name, part in self.domains.items() if _is_within(part, parts)]
        if len(found) != 1:
            problem = f'of several domains, {found}' if found else 'of no domain'
            paths = {name: '/'.join(part) for name, part in self.domains.items()}
            raise UserError(
                f'ClassIoUMetric: {path} is {problem}. Change domains, now {paths}: each image has '
                'to contain the path of one.'
            )
        return found[0]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The means of ``IoUMetric``, then of subsets, one entry per class, the same per domain."""
        metrics = super().compute_metrics([areas[:4] for areas in results])
        if self.format_only:
            return metrics
        ious = self._ious(results)
        classes = self.dataset_meta['classes']
        metrics |= self._subset_means(ious) | _by_class(classes, ious)
        rows = {'all': {'mIoU': _mean(ious), **self._subset_means(ious)}}
        for name in self.domains:
            ious = self._ious([areas for areas in results if areas[4] == name])
            rows[name] = {'mIoU': _mean(ious), **self._subset_means(ious)}
            both = rows[name] | _by_class(classes, ious)
            metrics |= {f'{name}/{key}': value for key, value in both.items()}
        if self.subsets or self.domains:
            _log(_table(rows))
        if self.merging is not None:
            areas = [each[5] for each in results]
            ious = self._ious(areas)[: len(self.merging.groups)]
            own = dict(mIoU=_mean(ious), **_by_class(self.merging.groups, ious))
            metrics |= {f'{MERGED}/{key}': value for key, value in own.items()}
            _log(_merged_table(self.merging.groups, ious))
        elif self.dataset_meta.get(MERGED_FROM):
            _log(_merged_table(self.dataset_meta[MERGED_FROM], self._ious(results)))
        return metrics

    def _ious(self, results: Sequence[tuple]) -> np.ndarray:
        """IoU per class (C,), 0 to 1, nan where a class does not occur."""
        if not results:
            return np.full(len(self.dataset_meta['classes']), np.nan)
        intersect, union = (
            torch.stack([areas[number] for areas in results]).double().sum(dim=0).numpy()
            for number in (0, 1)
        )
        with np.errstate(invalid='ignore'):
            ious = intersect / union
        return ious if self.nan_to_num is None else np.nan_to_num(ious, nan=self.nan_to_num)

    def _subset_means(self, ious: np.ndarray) -> dict[str, float]:
        classes = list(self.dataset_meta['classes'])
        return {
            name: _mean(ious[[classes.index(each) for each in subset]])
            for name, subset in self.subsets.items()
        }


def _by_class(names: Iterable[str], ious: np.ndarray) -> dict[str, float]:
    return {
        f'IoU.{name}': round(float(100 * iou), 2) for name, iou in zip(names, ious, strict=True)
    }


def _check_subset(name: str, classes: Sequence[str]) -> None:
    repeated = sorted({each for each in classes if classes.count(each) > 1})
    problem = None
    if not classes:
        problem = 'has no class'
    elif repeated:
        problem = f'repeats {repeated}'
    elif name in _TAKEN or name.startswith('IoU.') or '/' in name:
        problem = "is no free name: it is that of another metric, or has a '/'"
    if problem:
        raise UserError(f'ClassIoUMetric: subsets[{name!r}] {problem}')


def _is_within(part: Sequence[str], path: Sequence[str]) -> bool:
    """Whether the names of ``part`` follow each other in ``path``."""
    return any(path[i : i + len(part)] == part for i in range(len(path) - len(part) + 1))


def _mean(ious: np.ndarray) -> float:
    """In percent, over the classes that occur."""
    there = ious[~np.isnan(ious)]
    return round(float(100 * there.mean()), 2) if there.size else float('nan')


def _table(rows: Mapping[str, Mapping[str, float]]) -> str:
    table = PrettyTable(['Images', *next(iter(rows.values()))])
    for name, means in rows.items():
        table.add_row([name, *means.values()])
    return table.get_string()


def _merged_table(groups: Mapping[str, Sequence[str]], ious: np.ndarray) -> str:
    """The merged classes, each with the classes that it is made of."""
    table = PrettyTable(['Merged class', 'made of', 'IoU'])
    for (name, members), iou in zip(groups.items(), ious, strict=True):
        table.add_row([name, ', '.join(members), round(float(100 * iou), 2)])
    table.add_row(['mean', '', _mean(ious)])
    return table.get_string()


def _log(table: str) -> None:
    print_log('\n' + table, logger=MMLogger.get_current_instance())
