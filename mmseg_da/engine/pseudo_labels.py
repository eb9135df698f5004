"""Pseudo labels of a folder of images, in two passes that may be killed at any time."""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, get_dist_info, is_main_process
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from mmseg_da.datasets.one_domain import OneDomain
from mmseg_da.datasets.outputs import write_atomically
from mmseg_da.datasets.parallel import progress
from mmseg_da.datasets.pseudo_labels import (
    label_names,
    read_prediction,
    write_label,
    write_prediction,
)
from mmseg_da.engine.hooks.stage_report_hook import clock
from mmseg_da.engine.label_rules import LabelRule
from mmseg_da.engine.preemption import Preemption, spare_workers
from mmseg_da.errors import UserError
from mmseg_da.functional import (
    balanced_labels,
    class_histogram,
    confidence_bins,
    sure_labels,
)

LABELS, PREDICTIONS = 'labels', 'predictions'
SETTINGS, THRESHOLDS = 'settings.json', 'thresholds.json'
TELL_EVERY = 100
"""Images between two lines that say how long it takes yet."""

Predict = Callable[[Mapping[str, Any]], Tensor]


class PseudoLabels:
    """Writes labels of images that a model predicts, where it is sure enough.

    The first pass writes the class and the confidence of every pixel into ``FOLDER/predictions``,
    one PNG per image. From their histogram the rule takes the least confidence of each class, which
    goes to ``thresholds.json``. The second pass writes ``FOLDER/labels`` and removes each prediction
    after its label. Every file appears when it is whole, and depends on its image and the thresholds
    alone, so that a run that was killed in either pass ends with the same files. Processes share the
    images, and need a common file system.

    Args:
        folder: Where to write.
        images: The images; those of one folder, each with one label.
        predict: Gives probabilities (C, H, W) of the classes of a sample.
        num_classes: C.
        rule: Which predictions are kept.
        settings: What the predictions depend on beside, in plain values.
        num_workers: Processes that read ahead.
        tell: Is told, in a sentence, how far it is.
        show_progress: Show bars on stderr.

    Raises:
        UserError: There is no image, or two would have one label.
    """

    def __init__(
        self,
        folder: Path,
        images: OneDomain,
        predict: Predict,
        num_classes: int,
        rule: LabelRule,
        settings: Mapping[str, Any],
        num_workers: int = 0,
        tell: Callable[[str], None] = print,
        show_progress: bool = True,
    ) -> None:
        self.folder, self.images, self.predict = folder, images, predict
        self.num_classes, self.rule, self.num_workers = num_classes, rule, num_workers
        self.tell = tell if is_main_process() else lambda _: None
        self.show_progress = show_progress and is_main_process()
        # By path, because several data sets may hold the same image.
        indices = {images.image_path(index): index for index in range(len(images))}
        names = label_names(indices)
        rank, world_size = get_dist_info()
        self.count = len(indices)
        self.own = {indices[path]: names[path] for path in list(indices)[rank::world_size]}
        self.settings = dict(settings, rule=rule.settings, images=sorted(map(str, names.values())))

    def run(self) -> bool:
        """Do what is not done.

        Returns:
            Whether all labels are there; not if SIGTERM has ended it, after whole files.

        Raises:
            UserError: The folder holds labels of other settings or cannot be written, an image cannot
                be read, a prediction is damaged or not finite.
        """
        try:
            with Preemption() as preemption:
                return self._run(preemption)
        except OSError as error:
            raise UserError(
                f'{self.folder}: cannot be written ({error}). Make room or mend that, then go on with '
                'the same command (of a training: with --resume)'
            ) from error

    def _run(self, preemption: Preemption) -> bool:
        _require_settings(self.folder, self.settings)
        barrier()  # all have looked at them
        if is_main_process():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / SETTINGS, _json(self.settings))
        barrier()
        if not (self.folder / THRESHOLDS).is_file():
            if not self._all(self._predicted(preemption), preemption):
                return False
            self._find_thresholds()
        thresholds = torch.tensor(json.loads((self.folder / THRESHOLDS).read_text())['bins'])
        if not self._all(self._selected(thresholds, preemption), preemption):
            return False
        if is_main_process():
            shutil.rmtree(self.folder / PREDICTIONS, ignore_errors=True)
            self.tell(f'{self.count} pseudo labels are in {self.folder / LABELS}')
        return True

    def _all(self, work: Iterator[None], preemption: Preemption) -> bool:
        """Work until it is done or the process told to end; whether all processes are done."""
        for _ in work:
            pass
        told = preemption.asked(0)
        if told:
            self.tell('Told to end: what is done is kept. Go on as after a kill.')
        return not told

    def _predicted(self, preemption: Preemption) -> Iterator[None]:
        """First pass."""
        todo = [i for i, name in self.own.items() if not self._prediction(name).is_file()]
        for index, sample in self._samples(todo, 'Predicting', preemption):
            confidence, labels = self._probabilities(sample).max(dim=0)
            bins = confidence_bins(confidence).cpu().numpy()
            labels = labels.to(torch.uint8).cpu().numpy()
            write_prediction(self._prediction(self.own[index]), labels, bins)
            yield

    def _selected(self, thresholds: Tensor, preemption: Preemption) -> Iterator[None]:
        """Second pass."""
        todo = [i for i, name in self.own.items() if not self._label(name).is_file()]
        palette = self.images.metainfo.get('palette')
        for index, labels in self._labels(todo, thresholds, preemption):
            name = self.own[index]
            write_label(self._label(name), labels.numpy(), palette)
            self._prediction(name).unlink(missing_ok=True)
            yield

    def _labels(
        self, todo: list[int], thresholds: Tensor, preemption: Preemption
    ) -> Iterator[tuple[int, Tensor]]:
        if self.rule.balanced:  # needs the probabilities of all classes: they are not stored
            for index, sample in self._samples(todo, 'Choosing', preemption):
                yield index, balanced_labels(self._probabilities(sample).cpu(), thresholds)
            return
        for index in self._paced(todo, 'Choosing', preemption):
            yield index, sure_labels(*self._read(self.own[index]), thresholds)

    def _probabilities(self, sample: Mapping[str, Any]) -> Tensor:
        probabilities = self.predict(sample)
        if not probabilities.isfinite().all():
            raise UserError(
                f'{sample["data_samples"].img_path}: a network predicts NaN here: did its training '
                'diverge?'
            )
        return probabilities

    def _find_thresholds(self) -> None:
        histogram = torch.zeros(0, dtype=torch.int64)
        for name in self.own.values():
            counted = class_histogram(*self._read(name), self.num_classes)
            histogram = counted if not len(histogram) else histogram + counted
        if not len(histogram):  # more processes than images
            histogram = class_histogram(*torch.zeros(2, 0).int(), self.num_classes)
        all_reduce(histogram)
        if is_main_process():
            bins = self.rule.thresholds(histogram)
            report = _report(histogram, bins, self.images.metainfo['classes'])
            write_atomically(self.folder / THRESHOLDS, _json(report))
            for name, each in report['classes'].items():
                self.tell(
                    f'{name}: {each["pixels"]} pixels predicted, {each["kept"]:.1%} of them at least '
                    f'as sure as {each["least"]:.5f}'
                )
        barrier()

    def _samples(
        self, todo: list[int], what: str, preemption: Preemption
    ) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Images with their numbers, read ahead."""
        loader = DataLoader(
            Subset(self.images, todo), None, num_workers=self.num_workers, collate_fn=_as_it_is
        )
        spare_workers(loader)
        yield from zip(self._paced(todo, what, preemption), loader, strict=False)

    def _paced(self, todo: Sequence[int], what: str, preemption: Preemption) -> Iterator[int]:
        """Pass images on while telling how long it takes yet; ends where the process is told to."""
        began, show = time.perf_counter(), self.show_progress and bool(todo)
        for done, index in enumerate(progress(todo, what, show, len(todo))):
            if preemption.told:
                return
            if done and done % TELL_EVERY == 0:
                left = (time.perf_counter() - began) / done * (len(todo) - done)
                self.tell(f'{what}: {done} of {len(todo)} images, {clock(left)} left')
            yield index

    def _read(self, name: Path) -> tuple[Tensor, Tensor]:
        labels, bins = read_prediction(self._prediction(name))
        return torch.from_numpy(labels.copy()), torch.from_numpy(bins)

    def _prediction(self, name: Path) -> Path:
        return self.folder / PREDICTIONS / name

    def _label(self, name: Path) -> Path:
        return self.folder / LABELS / name


def _report(histogram: Tensor, bins: Tensor, classes: Iterable[str]) -> dict[str, Any]:
    """Thresholds, and what they are by class, in plain values."""
    cells = histogram.shape[1]
    pixels = histogram.sum(dim=1)
    above = histogram.flip(1).cumsum(1).flip(1)  # pixels of each bin and those above it
    kept = above.gather(1, bins[:, None])[:, 0] / pixels.clamp(min=1)
    named = zip(classes, pixels.tolist(), bins.tolist(), kept.tolist(), strict=True)
    return dict(
        bins=bins.tolist(),
        classes={
            name: dict(pixels=number, least=least / cells, kept=round(share, 6))
            for name, number, least, share in named
        },
    )


def _require_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """See that a folder is empty or of a run with these settings."""
    stamp = folder / SETTINGS
    if not stamp.is_file():
        if any((folder / name).exists() for name in (LABELS, PREDICTIONS, THRESHOLDS)):
            raise UserError(
                f'{folder}: holds labels that are not of this tool: choose another folder'
            )
        return
    try:
        before = json.loads(stamp.read_text())
        if not isinstance(before, dict):
            raise ValueError('no settings')
    except ValueError as error:
        raise UserError(f'{stamp}: is damaged ({error}): choose another folder') from error
    ours = json.loads(_json(settings))
    changed = [key for key in ours | before if ours.get(key) != before.get(key)]
    if changed:
        raise UserError(
            f'{folder}: holds pseudo labels of other settings ({", ".join(changed)} differ): choose '
            'another folder, or remove it (a training: run it without --resume)'
        )


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1) + '\n').encode()


def _as_it_is(sample: Any) -> Any:
    return sample
