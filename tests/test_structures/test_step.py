"""Views: one forward each, a graph only while a stage is open, values for the rivals after it."""

import weakref

import pytest
import torch

from mmseg_da.registry import MODELS
from mmseg_da.structures import Step, View
from mmseg_da.testing import counted_forwards, toy_batch, toy_pspnet


@pytest.fixture
def segmentor():
    return MODELS.build(toy_pspnet()).train()


@pytest.fixture
def step(segmentor):
    samples = toy_batch()['source']['data_samples']
    views = (View(segmentor, torch.rand(2, 3, *size), samples) for size in ((64, 64), (48, 80)))
    return Step(segmentor, *views)


def test_an_open_view_is_forwarded_once(step, segmentor):
    with counted_forwards(segmentor.backbone) as count, step.opened(('source',)):
        assert count.value == 0
        first = step.source.dense
        assert step.source.dense is first
        assert torch.equal(step.source.detached.logits['aux'], first.logits['aux'])
    assert count.value == 1


def test_values_asked_for_first_do_not_cost_an_open_view_a_second_forward(step, segmentor):
    with counted_forwards(segmentor.backbone) as count, step.opened(('target',)):
        values = step.target.detached.logits['decode']
        graph = step.target.dense.logits['decode']
    assert count.value == 1
    assert torch.equal(values, graph)
    assert not values.requires_grad
    assert graph.requires_grad


def test_a_view_that_was_not_declared_has_no_graph_to_give(step):
    with step.opened(('source',)):
        _ = step.source.dense
        with pytest.raises(RuntimeError, match='does not declare'):
            _ = step.target.dense
    with pytest.raises(RuntimeError, match='does not declare'):
        _ = step.source.dense


def test_a_view_closes_after_an_error(step):
    with pytest.raises(KeyError), step.opened(('source',)):
        raise KeyError
    assert not step.source.is_open


def test_labels_are_not_held_on_to_after_the_stage(step):
    with step.opened(('source',)):
        labels = step.source.labels
        assert step.source.labels is labels
    held, values = weakref.ref(labels), labels.clone()
    del labels
    assert held() is None
    assert torch.equal(step.source.labels, values)


def test_the_samples_share_the_labels_of_the_view(step):
    labels = step.source.labels
    assert labels.shape[0] == len(step.source.samples) == 2
    for sample, own in zip(step.source.samples, labels, strict=True):
        assert sample.gt_sem_seg.data.data_ptr() == own.data_ptr()
        assert sample.gt_sem_seg.data.shape == (1, *own.shape)


def test_names_that_are_no_view_open_nothing(step):
    with step.opened(('mixed',)):
        assert not step.source.is_open
        assert not step.target.is_open


def test_a_closed_view_keeps_values_and_lets_graph_and_features_go(step):
    with step.opened(('source',)):
        dense = step.source.dense
        values = {name: x.detach().clone() for name, x in dense.logits.items()}
        held = [weakref.ref(x) for x in (*dense.feats, *dense.logits.values())]
        del dense
    assert [each() for each in held] == [None] * 6
    detached = step.source.detached
    assert detached.feats == ()
    assert not any(x.requires_grad for x in detached.logits.values())
    assert all(torch.equal(x, values[name]) for name, x in detached.logits.items())


def test_features_are_kept_for_a_rival_that_sees_them(segmentor):
    view = View(segmentor, torch.rand(2, 3, 64, 64), [], keep_feats=True)
    assert [x.shape[1] for x in view.detached.feats] == [4, 8, 16, 32]
    assert not any(x.requires_grad for x in view.detached.feats)


def test_a_closed_view_is_forwarded_once_without_a_graph(step, segmentor):
    with counted_forwards(segmentor.backbone) as count:
        step.target.remember()
        first = step.target.detached
        assert step.target.detached is first
    assert count.value == 1
    assert not first.logits['decode'].requires_grad


def test_values_are_of_before_the_update(step, segmentor):
    step.remember()
    before = step.source.detached.logits['decode'].clone()
    with torch.no_grad():
        for parameter in segmentor.parameters():
            parameter.mul_(2)
    assert torch.equal(step.source.detached.logits['decode'], before)


def test_labels_are_the_samples_maps(step):
    maps = [sample.gt_sem_seg.data[0] for sample in step.source.samples]
    assert torch.equal(step.source.labels, torch.stack(maps))
    assert step.source.labels.shape == (2, 64, 64)
