"""What self-training and masking save: one graph at a time, and none of the teacher's."""

import pytest
import torch
from builders import build_wrappers
from taught_builders import MASK, MIX, alike, build
from test_memory import saved_bytes

BOTH = dict(mix=MIX, mask=MASK)


def peak_of(objectives, backward='stages'):
    adaptor = build(objectives, backward=backward)
    wrappers = build_wrappers(adaptor)
    with saved_bytes(adaptor) as saved:
        adaptor.train_step(alike(), wrappers)
    assert saved.live == 0
    return saved.peak


def test_stages_hold_the_largest_of_three_and_summed_holds_all():
    alone = peak_of({})
    staged, summed = peak_of(BOTH), peak_of(BOTH, 'summed')
    assert staged <= 1.1 * alone
    assert summed >= 2.5 * alone


@pytest.mark.parametrize('batch_norm', ['own', 'copied', 'averaged'])
def test_the_teacher_keeps_no_graph_and_no_gradient(batch_norm):
    adaptor = build(BOTH, teacher=dict(alpha=0.9, batch_norm=batch_norm))
    step = adaptor.begin_step(adaptor.data_preprocessor(alike(), training=True))
    with saved_bytes(adaptor) as saved:
        labels, confidence = step.teaching.verdict
    assert saved.peak == 0
    assert confidence.grad_fn is None
    assert not confidence.requires_grad
    assert not labels.requires_grad
    adaptor.train_step(alike(), build_wrappers(adaptor))
    assert all(p.grad is None and not p.requires_grad for p in adaptor.teacher.parameters())


def test_what_is_mixed_and_masked_carries_no_graph():
    adaptor = build(BOTH)
    step = adaptor.begin_step(adaptor.data_preprocessor(alike(), training=True))
    with saved_bytes(adaptor) as saved:
        adaptor.objectives['mix'].mixture(step, (0, 0))
        images, _, weights = adaptor.objectives['mask'].lesson(step)
        adaptor.objectives['mask'].augmented(step, images, (0, 0))
    assert saved.peak == 0
    assert weights.grad_fn is None


def test_the_teacher_is_frozen_again_when_the_segmentor_thaws():
    """``PhasedModel.only`` freezes and thaws parts; the teacher is none of them."""
    adaptor = build(BOTH)
    with adaptor.only('segmentor'):
        assert not any(p.requires_grad for p in adaptor.teacher.parameters())
    assert not any(p.requires_grad for p in adaptor.teacher.parameters())
    assert all(p.requires_grad for p in adaptor.segmentor.parameters())
    assert torch.is_grad_enabled()
