"""The accuracy of a training step."""

import pytest
import torch

from mmseg_da.functional import pixel_accuracy


def test_it_is_the_percentage_of_labelled_pixels():
    # Four pixels that score class 1, 0, 2, 2 highest.
    logits = torch.tensor([[0.0, 9.0, 0.0, 0.0], [5.0, 1.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0]])
    labels = torch.tensor([[[1, 2], [2, 255]]])
    accuracy = pixel_accuracy(logits.reshape(1, 3, 2, 2), labels)
    assert accuracy.item() == pytest.approx(200 / 3)
    assert accuracy.dtype == torch.float32
    assert accuracy.shape == ()


def test_no_labelled_pixel_gives_zero_and_a_tie_is_right():
    logits = torch.zeros(1, 3, 2, 2, requires_grad=True)
    assert pixel_accuracy(logits, torch.full((1, 2, 2), 7), ignore=7) == 0
    accuracy = pixel_accuracy(logits, torch.zeros(1, 2, 2, dtype=torch.long))
    assert accuracy == 100
    assert not accuracy.requires_grad


def test_it_equals_the_highest_class_counted():
    rng = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 19, 24, 40, generator=rng)
    labels = torch.randint(0, 19, (2, 24, 40), generator=rng)
    labels[torch.rand(labels.shape, generator=rng) < 0.3] = 255
    right = sum(
        int(logits[n, :, y, x].argmax()) == int(labels[n, y, x])
        for n, y, x in (labels != 255).nonzero().tolist()
    )
    expected = 100 * right / int((labels != 255).sum())
    assert pixel_accuracy(logits, labels).item() == pytest.approx(expected)
