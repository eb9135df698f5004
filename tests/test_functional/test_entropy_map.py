"""A pixel's entropy, its robust penalty and the ranking of pixels."""

import math

import numpy as np
import pytest
import torch

from mmseg_da.functional import (
    entropy_map,
    highest,
    robust_entropy,
    self_information_map,
    softmax_map,
)

HALVES = [torch.float16, torch.bfloat16]


def entropies(logits: np.ndarray) -> np.ndarray:
    """-sum P ln(P) / ln(C), with 0 log 0 = 0."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    probs = powers / powers.sum(1, keepdims=True)
    logs = np.log(probs, out=np.zeros_like(probs), where=probs > 0)
    return -(probs * logs).sum(1) / np.log(probs.shape[1])


@pytest.mark.parametrize('shape', [(2, 19, 5, 7), (1, 2, 3, 3), (3, 16, 1, 1)])
def test_it_equals_numpy(shape):
    logits = 5 * torch.randn(shape, dtype=torch.float64)
    found = entropy_map(logits)
    assert found.shape == (shape[0], *shape[2:])
    np.testing.assert_allclose(found, entropies(logits.numpy()), rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(found, self_information_map(logits).sum(1))


def test_it_has_the_gradient_of_its_formula():
    logits = torch.randn(1, 5, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(entropy_map, logits)
    assert torch.autograd.gradcheck(lambda x: robust_entropy(entropy_map(x), 1.5, 1e-4), logits)


@pytest.mark.parametrize('dtype', [*HALVES, torch.float32, torch.float64])
@pytest.mark.parametrize(('spread', 'expected'), [(0.0, 1.0), (65504.0, 0.0)])
def test_uniform_scores_give_one_and_certain_ones_zero(dtype, spread, expected):
    logits = torch.zeros(1, 19, 2, 2, dtype=dtype)
    logits[:, 3] = spread
    torch.testing.assert_close(
        entropy_map(logits).double(), torch.full((1, 2, 2), expected, dtype=torch.double)
    )


@pytest.mark.parametrize('dtype', HALVES)
@pytest.mark.parametrize('function', [entropy_map, self_information_map, softmax_map])
def test_no_logit_of_half_precision_gives_anything_but_numbers(dtype, function):
    """Every value of the format against every other one, those at infinity included."""
    bits = torch.arange(-(2**15), 2**15, 61, dtype=torch.int32).short()
    special = torch.tensor([0.0, -0.0, math.inf, -math.inf], dtype=dtype)
    limits = torch.finfo(dtype)
    edges = torch.tensor([limits.max, limits.min, limits.tiny, limits.eps], dtype=dtype)
    values = torch.cat([special, edges, bits.view(dtype)])
    values = values[~values.isnan()]
    ours, others = torch.meshgrid(values, values, indexing='ij')
    logits = torch.stack([ours, others, torch.zeros_like(ours)]).unsqueeze(0).requires_grad_()
    out = function(logits)
    assert out.dtype == torch.float32
    assert out.isfinite().all()
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6
    out.square().sum().backward()
    assert logits.grad.dtype == dtype
    assert logits.grad.isfinite().all()


def test_infinite_scores_are_the_largest_ones():
    logits = torch.zeros(1, 3, 1, 3, dtype=torch.float16)
    logits[0, :, 0, 0] = torch.tensor([math.inf, 0, 0])
    logits[0, :, 0, 1] = torch.tensor([math.inf, math.inf, 0])
    logits[0, :, 0, 2] = torch.tensor([-math.inf, 0, 0])
    both = math.log(2) / math.log(3)
    torch.testing.assert_close(entropy_map(logits), torch.tensor([[[0.0, both, both]]]))


def test_a_diverged_training_shows():
    assert entropy_map(torch.full((1, 3, 1, 1), math.nan).half()).isnan().all()
    assert entropy_map(torch.tensor([math.inf, 0.0]).view(1, 2, 1, 1)).isnan().all()


def test_it_is_computed_in_float32_under_autocast():
    logits = 30 * torch.randn(1, 19, 4, 4).bfloat16()
    expected = entropy_map(logits)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(entropy_map(logits), expected)


@pytest.mark.parametrize(('value', 'expected'), [(0.1, 1e-4), (0.5, 0.0625), (0.9, 0.6561), (1, 1)])
def test_golden_values_of_the_penalty(value, expected):
    found = robust_entropy(torch.tensor(value, dtype=torch.float64), eta=2.0, epsilon=1e-8)
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('eta', [0.25, 0.5, 2.0])
def test_the_penalty_has_a_gradient_at_zero(eta):
    entropy = torch.zeros(3, requires_grad=True)
    robust_entropy(entropy, eta, 1e-8).sum().backward()
    assert torch.equal(entropy.grad, torch.zeros(3))


def test_the_penalty_is_computed_in_float32():
    assert robust_entropy(torch.tensor([0.0, 1.0]).half()).dtype == torch.float32


@pytest.mark.parametrize('share', [0.001, 0.3, 0.5, 1.0])
def test_the_highest_of_each_image_are_taken(share):
    values = torch.rand(3, 7, 11)
    found = highest(values, share)
    count = max(1, round(share * 77))
    assert found.shape == (3, count)
    expected = values.flatten(1).sort(dim=1, descending=True).values[:, :count]
    torch.testing.assert_close(found.sort(dim=1, descending=True).values, expected)


def test_gradients_reach_the_highest_alone():
    values = torch.tensor([[[0.1, 0.9], [0.5, 0.2]]], requires_grad=True)
    highest(values, 0.5).sum().backward()
    assert torch.equal(values.grad, torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]))
