"""Softmax and self-information against numpy, and at the edges of each number format."""

import numpy as np
import pytest
import torch

from mmseg_da.functional import full_precision, self_information_map, softmax_map

HALVES = [torch.float16, torch.bfloat16]


def probabilities(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def self_information(probs: np.ndarray) -> np.ndarray:
    """-P log2(P) / log2(C), with 0 log 0 = 0."""
    logs = np.log2(probs, out=np.zeros_like(probs), where=probs > 0)
    return -probs * logs / np.log2(probs.shape[1])


def extreme_logits() -> dict[str, torch.Tensor]:
    """Scores (1, 19, 1, 1) at which naive formulas give NaN."""
    zeros, largest = torch.zeros(1, 19, 1, 1), 65504.0
    one_hot, one_cold, mixed = zeros.clone(), zeros.clone(), zeros.clone()
    one_hot[0, 3], one_cold[0, 3] = largest, -largest
    mixed[0, ::2], mixed[0, 1::2] = largest, -largest
    return dict(
        zeros=zeros,
        one_hot=one_hot,
        one_cold=one_cold,
        mixed=mixed,
        all_high=zeros + largest,
        all_low=zeros - largest,
        sharp=2 * one_hot - largest,
    )


@pytest.mark.parametrize('shape', [(2, 19, 5, 7), (1, 2, 3, 3), (3, 16, 1, 1)])
def test_maps_equal_numpy(shape):
    logits = 10 * torch.randn(shape, dtype=torch.float64)
    probs = probabilities(logits.numpy())
    np.testing.assert_allclose(softmax_map(logits), probs, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        self_information_map(logits), self_information(probs), rtol=1e-10, atol=1e-15
    )


def test_self_information_has_the_gradient_of_its_formula():
    logits = torch.randn(1, 5, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(self_information_map, logits)


@pytest.mark.parametrize('dtype', [*HALVES, torch.float32, torch.float64])
@pytest.mark.parametrize('case', extreme_logits())
@pytest.mark.parametrize('function', [softmax_map, self_information_map])
def test_extreme_logits_give_finite_maps_and_gradients(function, case, dtype):
    logits = extreme_logits()[case].to(dtype).requires_grad_()
    out = function(logits)
    assert out.isfinite().all()
    out.square().sum().backward()
    assert logits.grad.isfinite().all()
    assert logits.grad.dtype == dtype
    with np.errstate(under='ignore'):
        probs = probabilities(logits.detach().double().numpy())
    expected = probs if function is softmax_map else self_information(probs)
    np.testing.assert_allclose(out.detach(), expected, atol=1e-6)


@pytest.mark.parametrize('dtype', HALVES)
def test_half_precision_is_computed_in_float32(dtype):
    logits = torch.randn(2, 19, 3, 3).to(dtype)
    for function in (softmax_map, self_information_map):
        assert function(logits).dtype == torch.float32
        assert torch.equal(function(logits), function(logits.float()))
    assert full_precision(logits).dtype == torch.float32


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_full_precision_leaves_what_is_precise(dtype):
    logits = torch.randn(2, dtype=dtype)
    assert full_precision(logits) is logits


def test_maps_are_computed_in_float32_under_autocast():
    logits = 30 * torch.randn(1, 19, 4, 4).bfloat16()
    expected = self_information_map(logits)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = self_information_map(logits)
    assert out.dtype == torch.float32
    assert torch.equal(out, expected)


def test_golden_values_of_19_classes():
    uniform = self_information_map(torch.zeros(1, 19, 2, 2))
    torch.testing.assert_close(uniform, torch.full_like(uniform, 0.0526316), atol=1e-7, rtol=0)
    torch.testing.assert_close(uniform.sum(1), torch.ones(1, 2, 2))
    assert self_information_map(extreme_logits()['sharp']).abs().max() == 0
    probs = torch.full((1, 19, 1, 1), (1 - np.exp(-1)) / 18, dtype=torch.float64)
    probs[0, 0] = np.exp(-1)  # where -p log2(p) is largest
    assert self_information_map(probs.log())[0, 0].item() == pytest.approx(0.124941, abs=1e-6)


@pytest.mark.parametrize('classes', [2, 4, 19])
def test_self_information_stays_in_its_range(classes):
    for spread in (0.1, 1.0, 10.0, 100.0):
        info = self_information_map(spread * torch.randn(4, classes, 16, 16))
        assert info.min() >= 0
        assert info.max() <= 0.5308 / np.log2(classes)
        assert info.sum(1).max() <= 1 + 1e-6
