"""What the last checkpoint of a run predicts on the validation images."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image

from mmseg_da.datasets.reading import IGNORE
from mmseg_da.engine import launch
from mmseg_da.errors import UserError
from mmseg_da.report.runs import Run

_WIDTH = 480  # of the pictures that are kept, so that memory stays small
_MOST_IMAGES = 200


@dataclass
class Predictions:
    """Scores of single images, and small pictures of them.

    Attributes:
        classes: Names.
        palette: RGB 0 to 255 of each.
        confusion: Pixels by label and prediction (C, C).
        images: Files, in order.
        scores: IoU of each image in percent: the mean over the classes that its label has.
        labels: Of each image, (h, w) uint8, 255 where ignored, made small.
        predicted: The same of what was predicted.
    """

    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    confusion: np.ndarray
    images: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    labels: list[np.ndarray] = field(default_factory=list)
    predicted: list[np.ndarray] = field(default_factory=list)


class _Collecting(Hook):
    """Keeps what is predicted."""

    def __init__(self) -> None:
        self.found: Predictions | None = None

    def before_test(self, runner: Runner) -> None:
        """Learn the classes."""
        meta = runner.test_dataloader.dataset.metainfo
        classes = meta['classes']
        nothing = np.zeros((len(classes), len(classes)), np.int64)
        self.found = Predictions(classes, meta.get('palette') or (), nothing)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count and keep each image of a batch."""
        found = self.found
        for sample in outputs:
            if 'gt_sem_seg' not in sample:
                raise UserError(
                    f'{sample.metainfo.get("img_path")}: comes without a label; the test pipeline of '
                    'the config needs LoadAnnotations'
                )
            predicted = sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8)
            labels = sample.gt_sem_seg.data[0].cpu().numpy().astype(np.uint8)
            counts = _confusion(labels, predicted, len(found.classes))
            found.confusion += counts
            found.images.append(sample.metainfo.get('img_path', ''))
            found.scores.append(_mean_iou(counts))
            found.labels.append(_small(labels))
            found.predicted.append(_small(predicted))


def predict(run: Run, most: int = _MOST_IMAGES) -> Predictions:
    """Test the last checkpoint of a run, as ``tools/test.py`` does, on its first images.

    Args:
        run: A run with a checkpoint and its settings.
        most: Number of images.

    Raises:
        UserError: It has none of them, nothing to test on, or the data are not there.
    """
    if run.checkpoint is None or run.config is None:
        raise UserError(f'{run.folder}: has no checkpoint iter_*.pth to predict by')
    cfg = launch.read_config(str(run.config), None)
    if not cfg.get('test_dataloader'):
        raise UserError(f'{run.config}: has no test_dataloader, so there is nothing to predict')
    for key in ('stages', 'rounds'):
        cfg.pop(key, None)
    _take_first(cfg.test_dataloader.dataset, most)
    hook = _Collecting()
    with tempfile.TemporaryDirectory() as folder:
        cfg.update(work_dir=folder, load_from=str(run.checkpoint), resume=False, launcher='none')
        cfg.update(log_level='ERROR', test_evaluator=[])  # the hook counts, and of each image
        # Of its own name: mmengine keeps visualizers, and this one shall write nowhere.
        cfg.visualizer = dict(type='SegLocalVisualizer', name=folder, vis_backends=None)
        launch.test(cfg, hook)
    return hook.found


def _take_first(dataset: dict, most: int) -> None:
    """Have a data set, or each of those that it joins, read its first images alone."""
    inner = [*dataset.get('datasets', ()), *filter(None, [dataset.get('dataset')])]
    for each in inner:
        _take_first(each, max(1, most // len(inner)))
    if not inner:
        dataset.setdefault('indices', most)


def picture_of(file: str, like: np.ndarray) -> np.ndarray | None:
    """The image of a prediction, RGB uint8 of its size, or ``None`` where it cannot be read."""
    try:
        with Image.open(Path(file)) as image:
            return np.asarray(image.convert('RGB').resize(like.shape[::-1], Image.BILINEAR))
    except OSError:
        return None


def _confusion(labels: np.ndarray, predicted: np.ndarray, num: int) -> np.ndarray:
    counted = labels != IGNORE
    joint = labels[counted].astype(np.int64) * num + predicted[counted]
    return np.bincount(joint, minlength=num * num).reshape(num, num)


def _mean_iou(confusion: np.ndarray) -> float:
    there = confusion.sum(axis=1) > 0
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion)
    shares = np.diag(confusion)[there] / union[there]
    return 100 * float(shares.mean()) if there.any() else float('nan')


def _small(labels: np.ndarray) -> np.ndarray:
    height, width = labels.shape
    if width <= _WIDTH:
        return labels
    size = (_WIDTH, round(height * _WIDTH / width))
    return np.asarray(Image.fromarray(labels).resize(size, Image.NEAREST))
