"""Scores in merged classes, by hand and against merged labels."""

import pickle

import numpy as np
import pytest
from test_class_iou_metric import NAMES, evaluate, ious_of, samples_of

from mmseg_da.errors import UserError
from mmseg_da.evaluation import ClassIoUMetric

VEHICLE = dict(vehicle=['car', 'train'])


@pytest.fixture
def images():
    rng = np.random.default_rng(1)
    labels = rng.choice([0, 1, 2, 3, 4, 255], size=(5, 6, 7))
    right = rng.random(labels.shape) < 0.6
    return np.where(right & (labels != 255), labels, rng.integers(5, size=labels.shape)), labels


def test_confusions_within_a_group_are_no_mistakes():
    """Two of three cars are taken for trains; by hand."""
    labels = [[[3, 3, 3, 0], [4, 0, 0, 255]]]
    predictions = [[[4, 4, 3, 3], [4, 0, 0, 3]]]
    metrics = evaluate(predictions, labels, NAMES, merged=VEHICLE)
    # car 1 of 4 (3 labels + 1 false), train 1 of 3, road 2 of 3
    assert metrics['IoU.car'] == 25.0
    assert metrics['IoU.train'] == pytest.approx(33.33)
    # vehicle: 4 right, one road taken for it
    assert metrics['merged/IoU.vehicle'] == 80.0
    assert metrics['merged/IoU.road'] == metrics['IoU.road'] == pytest.approx(66.67)
    assert metrics['merged/mIoU'] == pytest.approx((80 + 66.67) / 2, abs=0.01)
    assert np.isnan(metrics['merged/IoU.sky'])


def test_an_ignored_class_is_no_label_and_a_wrong_prediction():
    labels = [[[0, 0, 0, 2, 2]]]
    predictions = [[[0, 2, 0, 0, 2]]]
    metrics = evaluate(predictions, labels, NAMES, merged=dict(flat=['road']), others='ignore')
    # two roads right, one taken for sky; the pixels of sky do not count
    assert metrics['merged/IoU.flat'] == metrics['merged/mIoU'] == pytest.approx(66.67)
    assert not [key for key in metrics if key.startswith('merged/') and 'sky' in key]


@pytest.mark.parametrize('others', ['keep', 'ignore'])
@pytest.mark.parametrize('batch', [1, 3])
def test_scores_are_those_of_merged_maps(images, others, batch):
    groups = dict(ground=['road', 'wall'], vehicle=['train', 'car'])
    metrics = evaluate(*images, NAMES, batch=batch, merged=groups, others=others)
    kept = 2 if others == 'keep' else 255
    table = np.array([0, 0, kept, 1, 1, *[255] * 251])
    predictions, labels = (table[each] for each in images)
    predictions = np.where(predictions == 255, 3, predictions)
    names = ['ground', 'vehicle', *(['sky'] if others == 'keep' else [])]
    expected = dict(zip(names, ious_of(predictions, labels, 4), strict=False))
    for name, iou in expected.items():
        assert metrics[f'merged/IoU.{name}'] == pytest.approx(iou, abs=0.006)
    mean = np.mean(list(expected.values()))
    assert metrics['merged/mIoU'] == pytest.approx(mean, abs=0.006)
    plain = evaluate(*images, NAMES, batch=batch)
    assert {key: metrics[key] for key in plain} == pytest.approx(plain, nan_ok=True)


def test_domains_and_subsets_stay_as_they_are(images):
    paths = [f'{city}/{number}.png' for number, city in enumerate(['Rio', 'Rome'] * 2 + ['Rio'])]
    settings = dict(subsets=dict(two=['road', 'car']), domains=dict(Rio='Rio', Rome='Rome'))
    plain = evaluate(*images, NAMES, paths, **settings)
    both = evaluate(*images, NAMES, paths, merged=VEHICLE, **settings)
    assert {key: both[key] for key in plain} == pytest.approx(plain, nan_ok=True)
    assert {key.split('/')[0] for key in set(both) - set(plain)} == {'merged'}


def test_labels_that_are_ignored_by_another_number_do_not_count():
    metrics = evaluate([[[3, 0]]], [[[4, 77]]], NAMES, merged=VEHICLE, ignore_index=77)
    assert metrics['merged/IoU.vehicle'] == 100.0
    assert np.isnan(metrics['merged/IoU.road'])


@pytest.fixture
def logged(monkeypatch):
    said = []
    monkeypatch.setattr(
        'mmseg_da.evaluation.class_iou_metric.print_log', lambda text, **_: said.append(text)
    )
    return said


def rows(table):
    return [[cell.strip() for cell in line.split('|')[1:-1]] for line in table.splitlines()]


def test_the_report_shows_both_class_sets(images, logged):
    metrics = evaluate(*images, NAMES, merged=VEHICLE)
    (table,) = [text for text in logged if 'Merged class' in text]
    assert ['vehicle', 'car, train', str(metrics['merged/IoU.vehicle'])] in rows(table)
    assert ['mean', '', str(metrics['merged/mIoU'])] in rows(table)


def test_data_in_merged_classes_show_what_these_are_made_of(images, logged):
    metric = ClassIoUMetric(iou_metrics=['mIoU'])
    groups = {name: [name, f'{name} 2'] for name in NAMES}
    metric.dataset_meta = dict(classes=NAMES, merged_from=groups)
    metric.process({}, samples_of(*images))
    metrics = metric.evaluate(5)
    (table,) = [text for text in logged if 'Merged class' in text]
    assert ['road', 'road, road 2', str(metrics['IoU.road'])] in rows(table)


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (dict(merged=dict(vehicle=['lorry'])), r"names 'lorry', which is no class"),
        (dict(merged=dict(a=['car'], b=['car'])), r"'car' is in group 'a' and again in 'b'"),
        (dict(merged=VEHICLE, others='some'), r"others='some'"),
        (dict(merged=['car']), r'is no dict such as'),
    ],
)
def test_groups_that_do_not_fit_are_told(settings, words):
    metric = ClassIoUMetric(iou_metrics=['mIoU'], **settings)
    with pytest.raises(UserError, match=f'ClassIoUMetric.merged: .*{words}'):
        metric.dataset_meta = dict(classes=NAMES)


def test_a_domain_may_not_have_their_name():
    with pytest.raises(UserError, match=r"domains\['merged'\] has the name of merged classes"):
        ClassIoUMetric(iou_metrics=['mIoU'], merged=VEHICLE, domains=dict(merged='x'))


def test_results_travel_between_processes(images):
    metric = ClassIoUMetric(iou_metrics=['mIoU'], merged=VEHICLE)
    metric.dataset_meta = dict(classes=NAMES)
    metric.process({}, samples_of(*images))
    again = pickle.loads(pickle.dumps(metric.results))
    assert metric.compute_metrics(again) == pytest.approx(metric.evaluate(5), nan_ok=True)
