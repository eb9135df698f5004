"""Scores that overflowed in half precision, up-sampled: losses and gradients stay finite."""

import math

import pytest
import torch
import torch.nn.functional as F
from builders import SUPERVISION, build_adaptor

from mmseg_da.functional import entropy_map, upsampled_scores
from mmseg_da.testing import toy_alignment, toy_batch, toy_pspnet

HALVES = [torch.float16, torch.bfloat16]
OBJECTIVES = dict(
    minent=dict(type='TargetEntropy', loss_weight=1.0),
    ranked=dict(type='TargetEntropy', share=0.3, penalty='charbonnier', loss_weight=1.0),
    prior=dict(type='ClassPrior', mu=1.0, prior=[0.7, 0.1, 0.1, 0.1], loss_weight=1.0),
    advent=toy_alignment(of='entropy'),
    adaptsegnet=toy_alignment(of='softmax'),
)
PLACES = dict(
    corner=[(0, 0, 0, math.inf)],
    last_corner=[(1, -1, -1, -math.inf)],
    edge=[(2, 0, 3, math.inf), (0, 4, 0, -math.inf)],
    side_by_side=[(1, 2, 3, math.inf), (1, 2, 4, math.inf)],
    opposite=[(1, 2, 3, math.inf), (1, 2, 4, -math.inf)],
    one_pixel=[(0, 2, 3, math.inf), (1, 2, 3, math.inf), (2, 2, 3, -math.inf)],
)


def scores_of(dtype, places):
    scores = torch.randn(2, 4, 6, 10, generator=torch.Generator().manual_seed(0)).to(dtype)
    for channel, row, column, value in places:
        scores[0, channel, row, column] = value
    return scores.requires_grad_()


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('dtype', HALVES)
@pytest.mark.parametrize('objective', OBJECTIVES.values(), ids=OBJECTIVES)
def test_losses_and_gradients_are_finite(objective, dtype, align_corners):
    segmentor = toy_pspnet()
    segmentor['decode_head']['align_corners'] = align_corners
    adaptor = build_adaptor(dict(seg=SUPERVISION, own=objective), segmentor)
    batch = adaptor.data_preprocessor(toy_batch(), training=True)
    for places in PLACES.values():
        scores = scores_of(dtype, places)
        hook = adaptor.segmentor.decode_head.register_forward_hook(lambda *_, out=scores: out)
        step = adaptor.begin_step(batch)
        with step.opened(('target',)):
            (loss,) = adaptor.objectives['own'].losses(step).values()
        hook.remove()
        assert loss.dtype == torch.float32
        assert loss.isfinite()
        loss.backward()
        assert scores.grad.isfinite().all()


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_precise_scores_are_up_sampled_as_by_torch(dtype, align_corners):
    scores = scores_of(dtype, [(0, 2, 3, math.inf)])
    expected = F.interpolate(scores, (48, 80), mode='bilinear', align_corners=align_corners)
    found = upsampled_scores(scores, (48, 80), align_corners)
    assert torch.equal(found.nan_to_num(7.0), expected.nan_to_num(7.0))
    assert entropy_map(found).isnan().any()  # a training that diverges in float32 shows


@pytest.mark.parametrize('dtype', HALVES)
def test_scores_of_half_precision_are_up_sampled_in_float32(dtype):
    scores = scores_of(dtype, [])
    expected = F.interpolate(scores.float(), (48, 80), mode='bilinear', align_corners=False)
    assert torch.equal(upsampled_scores(scores, (48, 80), align_corners=False), expected)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(upsampled_scores(scores, (48, 80), align_corners=False), expected)
