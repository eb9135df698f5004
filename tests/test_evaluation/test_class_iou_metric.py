"""Per-class IoU against a count by hand."""

import numpy as np
import pytest
import torch

from mmseg_da.evaluation import ClassIoUMetric


def evaluate(predictions, labels, classes=('a', 'b', 'c')):
    metric = ClassIoUMetric(iou_metrics=['mIoU'])
    metric.dataset_meta = dict(classes=classes)
    samples = [
        dict(pred_sem_seg=dict(data=torch.tensor([p])), gt_sem_seg=dict(data=torch.tensor([y])))
        for p, y in zip(predictions, labels, strict=True)
    ]
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(len(samples))


def test_every_class_is_counted_over_all_images():
    predictions = [[[0, 0], [1, 1]], [[0, 1], [1, 2]]]
    labels = [[[0, 0], [0, 1]], [[0, 1], [2, 255]]]
    metrics = evaluate(predictions, labels)
    expected = {'a': 3 / 4, 'b': 2 / 4, 'c': 0 / 1}  # the ignored pixel counts nowhere
    for name, iou in expected.items():
        assert metrics[f'IoU.{name}'] == pytest.approx(100 * iou, abs=0.01)
    assert metrics['mIoU'] == pytest.approx(100 * np.mean(list(expected.values())), abs=0.01)


def test_a_class_that_does_not_occur_is_nan():
    metrics = evaluate([[[0, 1]]], [[[0, 1]]])
    assert np.isnan(metrics['IoU.c'])
    assert metrics['mIoU'] == 100.0
