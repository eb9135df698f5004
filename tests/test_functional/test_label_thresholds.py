"""Rules of pseudo labels against the released codes' way: sorting all pixels."""

import numpy as np
import pytest
import torch

from mmseg_da.functional import (
    balanced_labels,
    class_balanced_thresholds,
    class_histogram,
    class_share_thresholds,
    confidence_bins,
    confidence_thresholds,
    sure_labels,
)
from mmseg_da.functional.pseudo_labels import BINS


def literal_thresholds(confidence, labels, num_classes, drop, sure):
    """FDA's released code, but for the index of a class of one pixel."""
    thresholds = []
    for label in range(num_classes):
        own = np.sort(confidence[labels == label])
        rank = min(int(np.round(len(own) * drop)), len(own) - 1)
        thresholds.append(own[rank] if len(own) else 0.0)
    return np.minimum(thresholds, sure)


def prediction(shape=(3, 40, 50), num_classes=5, seed=0):
    """Probabilities of several images (N, C, H, W), of classes of unequal shares."""
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape[0], num_classes, *shape[1:], generator=rng)
    logits[:, 0] += 2
    logits[:, -1] = -30  # never predicted
    return logits.softmax(dim=1)


@pytest.mark.parametrize('sure', [0.9, 1.0])
@pytest.mark.parametrize(('keep', 'drop'), [(0.34, 0.66), (0.66, 0.34), (0.5, 0.5), (1.0, 0.0)])
def test_thresholds_are_those_of_sorting_within_one_bin(keep, drop, sure):
    confidence, labels = prediction().max(dim=1)
    histogram = class_histogram(labels, confidence_bins(confidence), 5)
    bins = class_share_thresholds(histogram, keep, sure).numpy()
    expected = literal_thresholds(confidence.numpy(), labels.numpy(), 5, drop, sure)
    assert np.abs(bins / BINS - expected).max() <= 1 / BINS
    assert bins[-1] == 0
    assert len(set(bins)) == 5 or sure == 0.9


def test_the_kept_pixels_are_those_of_sorting_but_for_one_bin():
    confidence, labels = prediction(seed=1).max(dim=1)
    bins = confidence_bins(confidence)
    thresholds = class_share_thresholds(class_histogram(labels, bins, 5), 0.34, 0.9)
    ours = sure_labels(labels, bins, thresholds).numpy()
    least = literal_thresholds(confidence.numpy(), labels.numpy(), 5, 0.66, 0.9)
    theirs = labels.numpy().astype(np.uint8)
    theirs[confidence.numpy() < least[labels.numpy()]] = 255
    differ = ours != theirs
    assert differ.mean() < 0.002
    near = np.abs(confidence.numpy() - least[labels.numpy()])[differ]
    assert (near <= 1 / BINS).all()
    assert ours.dtype == np.uint8
    assert 0.3 < (ours != 255).mean() < 0.9


def of_one_class(*confidences):
    labels = torch.zeros(len(confidences), dtype=torch.int64)
    return class_histogram(labels, confidence_bins(torch.tensor(confidences)), 2)


@pytest.mark.parametrize(
    ('keep', 'sure', 'expected'),
    [
        (0.34, None, 0.7),  # round(0.66 * 10) is 7: the eighth of ten
        (0.34, 0.6, 0.6),
        (0.34, 0.95, 0.7),
        (0.5, None, 0.5),
        (1.0, None, 0.0),
        (0.01, None, 0.9),  # the surest at least
    ],
)
def test_golden_thresholds_of_ten_pixels(keep, sure, expected):
    histogram = of_one_class(*(i / 10 for i in range(10)))
    first, none = class_share_thresholds(histogram, keep, sure).tolist()
    assert abs(first / BINS - expected) <= 1 / BINS
    assert none == 0


@pytest.mark.parametrize('keep', [0.15, 0.2, 0.5, 1.0])
def test_balanced_thresholds_are_those_of_sorting_within_one_bin(keep):
    confidence, labels = prediction().max(dim=1)
    bins = class_balanced_thresholds(class_histogram(labels, confidence_bins(confidence), 5), keep)
    for label in range(4):
        own = sorted(confidence[labels == label].tolist(), reverse=True)
        expected = own[int(keep * len(own)) - 1]
        assert abs(bins[label] / BINS - expected) <= 1 / BINS
    assert bins[4] == 0


def test_golden_balanced_thresholds_of_ten_pixels():
    histogram = of_one_class(*(i / 10 for i in range(10)))
    for keep, expected in ((0.25, 0.8), (0.2, 0.8), (0.19, 0.9), (1.0, 0.0)):
        assert abs(class_balanced_thresholds(histogram, keep)[0] / BINS - expected) <= 1 / BINS
    assert class_balanced_thresholds(histogram, 0.09).tolist() == [0, 0]  # none is kept


def test_a_half_is_rounded_to_even_as_numpy_does():
    """0.66 of 25 is 16.5 and of 75 is 49.5: the released code takes numbers 16 and 50."""
    for count, rank in ((25, 16), (75, 50)):
        histogram = of_one_class(*(i / 128 for i in range(count)))
        assert class_share_thresholds(histogram, 0.34)[0] == rank * 512


def test_one_pixel_is_kept():
    assert class_share_thresholds(of_one_class(0.5), 0.34)[0] == BINS // 2


def test_histograms_of_images_add_up():
    confidence, labels = prediction().max(dim=1)
    bins = confidence_bins(confidence)
    whole = class_histogram(labels, bins, 5)
    parts = sum(class_histogram(a, b, 5) for a, b in zip(labels, bins, strict=True))
    assert torch.equal(whole, parts)
    assert whole.sum() == labels.numel()
    assert whole.dtype == torch.int64
    assert whole.sum(dim=1).tolist() == [(labels == c).sum().item() for c in range(5)]


def test_bins_round_down_and_take_half_precision():
    values = torch.tensor([0.0, 1 / BINS, 1.5 / BINS, 0.5, 1 - 2**-24, 1.0])
    assert confidence_bins(values).tolist() == [0, 1, 1, 32768, 65535, 65535]
    assert confidence_bins(torch.tensor([0.5, 1.0], dtype=torch.float16)).tolist() == [32768, 65535]


def test_one_threshold_for_all():
    histogram = of_one_class(0.2, 0.95)
    thresholds = confidence_thresholds(histogram, 0.9)
    assert thresholds.tolist() == [58983, 58983]  # the first bin of nothing below 0.9
    labels, bins = torch.tensor([0, 0, 1]), confidence_bins(torch.tensor([0.89, 0.91, 0.95]))
    assert sure_labels(labels, bins, thresholds).tolist() == [255, 0, 1]
    assert confidence_thresholds(histogram, 1.0).tolist() == [65535, 65535]


def test_balanced_labels_are_relative_to_the_thresholds():
    """Road is sure at 0.8, pole at 0.25: a pixel of 0.6 and 0.3 is a pole."""
    thresholds = torch.tensor([0.8, 0.25]) * BINS
    probabilities = torch.tensor([[0.9, 0.6, 0.7, 0.8], [0.1, 0.3, 0.2, 0.2]])
    assert balanced_labels(probabilities, thresholds.long()).tolist() == [0, 1, 255, 0]
    unseen = torch.tensor([BINS // 2, 0])  # the second was never predicted: it wins nothing
    assert balanced_labels(probabilities, unseen).tolist() == [0, 0, 0, 0]


def test_without_thresholds_in_the_way_balanced_and_sure_labels_agree():
    probabilities = prediction()[0]
    confidence, labels = probabilities.max(dim=0)
    alike = torch.full((5,), BINS // 2)
    sure = sure_labels(labels, confidence_bins(confidence), alike)
    assert torch.equal(balanced_labels(probabilities, alike), sure)
