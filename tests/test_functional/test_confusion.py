"""Losses of naming a source and of hiding it, by hand."""

import math

import pytest
import torch

from mmseg_da.functional import confusion_loss, origin_loss


def verdict(*scores):
    """One image of 1x2 pixels per row of scores, both pixels alike."""
    return torch.tensor(scores)[:, :, None, None].expand(-1, -1, 1, 2).clone()


def test_naming_is_cross_entropy_with_the_source_of_each_image():
    scores = verdict([math.log(3.0), 0.0], [0.0, 0.0], [0.0, math.log(7.0)])
    loss = origin_loss(scores, torch.tensor([0, 1, 0]))
    expected = -(math.log(3 / 4) + math.log(1 / 2) + math.log(1 / 8)) / 3
    assert loss.item() == pytest.approx(expected)


def test_hiding_is_cross_entropy_with_the_uniform_distribution():
    scores = verdict([math.log(3.0), 0.0])
    assert confusion_loss(scores).item() == pytest.approx(-(math.log(3 / 4) + math.log(1 / 4)) / 2)


@pytest.mark.parametrize('sources', [2, 3, 5])
def test_hiding_is_least_where_all_sources_are_equally_likely(sources):
    scores = torch.zeros(2, sources, 3, 4, requires_grad=True)
    loss = confusion_loss(scores)
    assert loss.item() == pytest.approx(math.log(sources))
    loss.backward()
    assert scores.grad.abs().max() < 1e-7
    assert confusion_loss(torch.randn(2, sources, 3, 4)) > loss


def test_a_step_of_each_goes_its_way():
    scores, origins = verdict([1.0, 0.0, 0.0], [0.0, 0.0, 2.0]), torch.tensor([1, 2])
    for loss in (confusion_loss, lambda s: origin_loss(s, origins)):
        moving = scores.clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss(moving), moving)
        assert loss(scores - slope) < loss(scores)


def test_half_precision_loses_nothing():
    scores = torch.tensor([[65504.0, -65504.0, 0.0]], dtype=torch.float16)[:, :, None, None]
    for loss in (confusion_loss(scores), origin_loss(scores, torch.tensor([1]))):
        assert loss.dtype == torch.float32
        assert loss.isfinite()
