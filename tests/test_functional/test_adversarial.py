"""The domain loss: its labels, its values, its directions."""

import math

import numpy as np
import pytest
import torch

from mmseg_da.functional import SOURCE, TARGET, domain_loss


def reference(verdict: np.ndarray, label: float, kind: str) -> float:
    if kind == 'lsgan':
        return float(((verdict - label) ** 2).mean())
    probability = 1 / (1 + np.exp(-verdict))
    return float(-(label * np.log(probability) + (1 - label) * np.log(1 - probability)).mean())


def test_the_source_is_0_and_the_target_1():
    assert (SOURCE, TARGET) == (0.0, 1.0)


@pytest.mark.parametrize('kind', ['vanilla', 'lsgan'])
@pytest.mark.parametrize('label', [SOURCE, TARGET])
def test_it_equals_numpy(kind, label):
    verdict = 3 * torch.randn(2, 1, 4, 5, dtype=torch.float64)
    expected = reference(verdict.numpy(), label, kind)
    assert domain_loss(verdict, label, kind).item() == pytest.approx(expected, rel=1e-12)


def test_golden_values_of_zero_verdicts():
    zeros = torch.zeros(2, 1, 3, 3)
    for label in (SOURCE, TARGET):
        assert domain_loss(zeros, label).item() == pytest.approx(0.693147, abs=1e-6)
    assert domain_loss(zeros, SOURCE, 'lsgan') == 0
    assert domain_loss(zeros, TARGET, 'lsgan') == 1


@pytest.mark.parametrize('kind', ['vanilla', 'lsgan'])
@pytest.mark.parametrize(('label', 'sign'), [(SOURCE, -1), (TARGET, 1)])
def test_descending_moves_the_verdict_to_its_label(kind, label, sign):
    verdict = torch.full((1, 1, 2, 2), 0.5, requires_grad=True)
    domain_loss(verdict, label, kind).backward()
    assert (-verdict.grad.sign() == sign).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('kind', ['vanilla', 'lsgan'])
def test_half_precision_verdicts_give_finite_float32(kind, dtype):
    verdict = torch.tensor([-6e4, -1.0, 0.0, 1.0, 6e4]).to(dtype).requires_grad_()
    loss = domain_loss(verdict, TARGET, kind)
    assert loss.dtype == torch.float32
    assert math.isfinite(loss.item())
    loss.backward()
    assert verdict.grad.isfinite().all()


def test_an_unknown_kind_is_refused_with_the_choice():
    with pytest.raises(ValueError, match=r"vanilla.*lsgan.*'wgan'"):
        domain_loss(torch.zeros(1), SOURCE, 'wgan')
