"""IoU per class, subset and domain against counts by hand and an own confusion matrix."""

import copy
import pickle

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmseg.evaluation import IoUMetric
from PIL import Image

from mmseg_da.errors import UserError
from mmseg_da.evaluation import ClassIoUMetric
from mmseg_da.registry import METRICS

NAMES = ('road', 'wall', 'sky', 'car', 'train')
SUBSETS = dict(mIoU4=('road', 'wall', 'sky', 'car'), mIoU2=['car', 'road'])


def samples_of(predictions, labels, paths=None):
    paths = paths or [f'{number}.png' for number in range(len(labels))]
    return [
        dict(
            pred_sem_seg=dict(data=torch.as_tensor(np.array([p]))),
            gt_sem_seg=dict(data=torch.as_tensor(np.array([y]))),
            img_path=path,
        )
        for p, y, path in zip(predictions, labels, paths, strict=True)
    ]


def evaluate(predictions, labels, classes=('a', 'b', 'c'), paths=None, batch=1, **kwargs):
    metric = ClassIoUMetric(iou_metrics=['mIoU'], **kwargs)
    metric.dataset_meta = dict(classes=classes)
    samples = samples_of(predictions, labels, paths)
    for start in range(0, len(samples), batch):
        metric.process({}, samples[start : start + batch])
    return metric.evaluate(len(samples))


def ious_of(predictions, labels, num_classes):
    """From a confusion matrix, in percent."""
    confusion = np.zeros((num_classes, num_classes), np.int64)
    for predicted, label in zip(predictions, labels, strict=True):
        for p, y in zip(np.ravel(predicted), np.ravel(label), strict=True):
            if y != 255:
                confusion[y, p] += 1
    hits = np.diag(confusion)
    with np.errstate(invalid='ignore'):
        return 100 * hits / (confusion.sum(0) + confusion.sum(1) - hits)


@pytest.fixture
def images():
    """Predictions and labels of six images; the last class occurs in predictions alone."""
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 3, 255], p=[0.5, 0.1, 0.2, 0.1, 0.1], size=(6, 8, 9))
    right = rng.random(labels.shape) < np.linspace(0.3, 0.9, 6)[:, None, None]
    return np.where(right & (labels != 255), labels, rng.integers(5, size=labels.shape)), labels


def test_every_class_is_counted_over_all_images():
    predictions = [[[0, 0], [1, 1]], [[0, 1], [1, 2]]]
    labels = [[[0, 0], [0, 1]], [[0, 1], [2, 255]]]
    metrics = evaluate(predictions, labels)
    expected = {'a': 3 / 4, 'b': 2 / 4, 'c': 0 / 1}  # the ignored pixel counts nowhere
    for name, iou in expected.items():
        assert metrics[f'IoU.{name}'] == pytest.approx(100 * iou, abs=0.01)
    assert metrics['mIoU'] == pytest.approx(100 * np.mean(list(expected.values())), abs=0.01)


def test_a_class_that_does_not_occur_is_nan():
    metrics = evaluate([[[0, 1]]], [[[0, 1]]], subsets=dict(with_c=['a', 'c'], only_c=['c']))
    assert np.isnan(metrics['IoU.c'])
    assert metrics['mIoU'] == metrics['with_c'] == 100.0
    assert np.isnan(metrics['only_c'])


def test_nan_to_num_fills_what_does_not_occur():
    metrics = evaluate([[[0, 1]]], [[[0, 1]]], subsets=dict(ac=['a', 'c']), nan_to_num=0)
    assert metrics['IoU.c'] == 0.0
    assert metrics['ac'] == 50.0
    assert metrics['mIoU'] == pytest.approx(66.67)


def test_subsets_are_means_over_names_with_all_confusions(images):
    metrics = evaluate(*images, NAMES, subsets=SUBSETS)
    ious = dict(zip(NAMES, ious_of(*images, len(NAMES)), strict=True))
    assert ious['train'] == 0  # predicted, never there: it drags mIoU, not the subsets
    for name, classes in dict(SUBSETS, mIoU=NAMES).items():
        expected = np.mean([ious[each] for each in classes])
        assert metrics[name] == pytest.approx(expected, abs=0.006)
    assert metrics['mIoU4'] == pytest.approx(metrics['mIoU'] * 5 / 4, abs=0.02)
    assert list(metrics)[:5] == ['aAcc', 'mIoU', 'mAcc', 'mIoU4', 'mIoU2']


def test_names_decide_not_places(images):
    """The same images with the classes in another order."""
    order = np.array([3, 0, 4, 1, 2, *[255] * 251])  # new index of each old one
    shuffled = [NAMES[old] for old in np.argsort(order[:5])]
    before = evaluate(*images, NAMES, subsets=SUBSETS)
    after = evaluate(*(order[each] for each in images), shuffled, subsets=SUBSETS)
    assert after == pytest.approx(before)


PATHS = [f'/data/{city}/Images/Test/same.png' for city in ('Rome', 'Rio', 'Rome') for _ in '12']
DOMAINS = dict(roma='Rome/Images', Rio='Rio')


@pytest.mark.parametrize('batch', [1, 4])
def test_domains_are_scored_apart_and_together(images, batch):
    metrics = evaluate(*images, NAMES, PATHS, batch, subsets=SUBSETS, domains=DOMAINS)
    predictions, labels = images
    parts = {'roma/': [0, 1, 4, 5], 'Rio/': [2, 3], '': range(6)}
    for prefix, chosen in parts.items():
        ious = ious_of(predictions[list(chosen)], labels[list(chosen)], len(NAMES))
        for name, iou in zip(NAMES, ious, strict=True):
            assert metrics[f'{prefix}IoU.{name}'] == pytest.approx(iou, abs=0.006)
        assert metrics[f'{prefix}mIoU'] == pytest.approx(np.nanmean(ious), abs=0.006)
        assert metrics[f'{prefix}mIoU2'] == pytest.approx((ious[0] + ious[3]) / 2, abs=0.006)
    assert len({metrics['mIoU'], metrics['roma/mIoU'], metrics['Rio/mIoU']}) == 3


def test_a_domain_without_images_is_nan(images):
    metrics = evaluate(*images, NAMES, PATHS, domains=DOMAINS | dict(Oslo='Oslo'))
    assert np.isnan(metrics['Oslo/mIoU'])
    assert np.isnan(metrics['Oslo/IoU.road'])
    assert metrics['Rio/mIoU'] > 0


@pytest.mark.parametrize(
    ('domains', 'problem'),
    [
        (dict(Rome='Rome'), r'Rio/Images/Test/same\.png is of no domain'),
        (dict(a='Images', Rome='Rome'), r"is of several domains, \['a', 'Rome'\]"),
        (dict(Rome='ome'), 'is of no domain'),  # whole names
        (dict(Rome='Rome/Test'), 'is of no domain'),  # that follow each other
        (dict(Rome=''), r"domains\['Rome'\] is empty"),
    ],
)
def test_an_image_is_of_one_domain(images, domains, problem):
    with pytest.raises(UserError, match=problem):
        evaluate(*images, NAMES, PATHS, domains=domains)


def test_domains_need_the_path():
    metric = ClassIoUMetric(domains=dict(a='a'))
    metric.dataset_meta = dict(classes=NAMES)
    (sample,) = samples_of([[[0]]], [[[0]]])
    del sample['img_path']
    with pytest.raises(UserError, match="'img_path' in meta_keys"):
        metric.process({}, [sample])


@pytest.mark.parametrize(
    ('subsets', 'problem'),
    [
        (dict(x=[]), 'has no class'),
        (dict(x=['road', 'road']), r"repeats \['road'\]"),
        (dict(mIoU=['road']), 'no free name'),
        ({'IoU.road': ['road']}, 'no free name'),
        ({'a/b': ['road']}, "has a '/'"),
    ],
)
def test_a_subset_that_cannot_be_is_refused(subsets, problem):
    with pytest.raises(UserError, match=problem):
        ClassIoUMetric(subsets=subsets)


def test_unknown_classes_are_refused_before_anything_is_evaluated():
    metric = ClassIoUMetric(subsets=dict(x=['road', 'tram', 'Car']))
    evaluator = Evaluator([metric])
    with pytest.raises(
        UserError, match=r"subsets\['x'\] names \['tram', 'Car'\].*\['road', 'wall'"
    ):
        evaluator.dataset_meta = dict(classes=NAMES)


def test_the_keys_of_ioumetric_stay(images):
    ours = METRICS.build(dict(type='ClassIoUMetric', iou_metrics=['mIoU', 'mFscore']))
    theirs = IoUMetric(iou_metrics=['mIoU', 'mFscore'])
    results = []
    for metric in (theirs, ours):
        metric.dataset_meta = dict(classes=NAMES)
        metric.process({}, samples_of(*images))
        results.append(metric.evaluate(6))
    assert results[1].items() >= results[0].items()
    assert {'aAcc', 'mIoU', 'mAcc', 'mFscore', 'mPrecision', 'mRecall'} <= set(results[0])


def test_a_prefix_comes_first(images):
    metrics = evaluate(*images, NAMES, PATHS, domains=DOMAINS, prefix='val')
    assert 'val/Rio/mIoU' in metrics
    assert 'val/mIoU' in metrics


def test_predictions_are_written_without_labels(tmp_path):
    metric = ClassIoUMetric(format_only=True, output_dir=str(tmp_path), domains=dict(a='a'))
    metric.dataset_meta = dict(classes=NAMES)
    metric.process({}, samples_of([[[0, 3], [2, 1]]], [[[0, 0], [0, 0]]], ['b/x.png']))
    assert metric.evaluate(1) == {}
    with Image.open(tmp_path / 'x.png') as image:
        assert np.asarray(image).tolist() == [[0, 3], [2, 1]]


def test_results_of_other_processes_can_be_joined(images):
    metric = ClassIoUMetric(subsets=SUBSETS, domains=DOMAINS)
    metric.dataset_meta = dict(classes=NAMES)
    samples = samples_of(*images, PATHS)
    metric.process({}, samples[:3])
    joined = pickle.loads(pickle.dumps(metric.results))
    other = copy.deepcopy(metric)
    other.results.clear()
    other.process({}, samples[3:])
    metrics = metric.compute_metrics(joined + other.results)
    assert metrics == evaluate(*images, NAMES, PATHS, subsets=SUBSETS, domains=DOMAINS)
