"""HRDA, and MIC on it, against their iterations in plain PyTorch."""

import copy

import pytest
import torch
from builders import build_wrappers, state_gap
from drawing import corners_of
from host_sync import Watch
from hrda_builders import SIZE, two_scales, weights_of, wide
from literal import LiteralHRDA
from taught_builders import MASK, MIX, drawn_by

from mmseg_da.testing import counted_forwards, toy_optim_wrapper

CLASSES = ('road', 'car', 'sky', 'person')
DISTANCE = dict(type='FeatureDistance', things=['person', 'car'], loss_weight=0.05)
MARGINS = dict(ignore_top=5, ignore_bottom=8)
LR = 1e-3  # at a rate ten times this the toys amplify roundings
# Objectives beside the source's, the plain iteration's settings, the segmentor's.
CASES = dict(
    dacs=(dict(mix=MIX), dict(), dict()),
    daformer=(dict(fd=DISTANCE, mix=MIX | MARGINS), dict(margins=(5, 8), distance=0.05), dict()),
    mic=(dict(mix=MIX, mask=MASK), dict(mask=(0.7, 16)), dict()),
    context=(
        dict(mix=MIX),
        dict(detail=0.2, context=0.3),
        dict(detail_weight=0.2, context_weight=0.3),
    ),
)


def wrappers(adaptor):
    cfg = toy_optim_wrapper(rivals=False)
    cfg['segmentor']['optimizer']['lr'] = LR
    faster = cfg['segmentor']['paramwise_cfg']['custom_keys']
    faster['scale_attention'] = dict(lr_mult=10.0)
    return build_wrappers(adaptor, cfg)


def pair(case, dtype=torch.float64, **others):
    objectives, settings, own = CASES[case]
    adaptor = two_scales(objectives, settings=own, **others).to(dtype)
    if 'fd' in objectives:
        adaptor.name_classes(CLASSES)
        for weight in adaptor.objectives['fd'].encoder.parameters():
            weight.data.mul_(1.1)  # a distance of exactly 0 has no gradient
    clone = copy.deepcopy(adaptor)
    literal = LiteralHRDA(
        clone.segmentor, 0.0, lr=LR, alpha=0.9, threshold=0.4, draws=drawn_by(clone, size=SIZE),
        whole_batch=True, things=(3, 1), corners=corners_of(clone.segmentor),
        **dict(distance=0.0) | settings,
    )  # fmt: skip
    if 'fd' in objectives:
        literal.imagenet.load_state_dict(adaptor.objectives['fd'].encoder.state_dict())
    return adaptor, wrappers(adaptor), literal


def assert_equal(adaptor, literal, tolerance):
    for ours, theirs in (
        (adaptor.segmentor, literal.net),
        (adaptor.teacher.net, literal.teacher.net),
    ):
        assert state_gap(weights_of(ours), weights_of(theirs)) <= tolerance
    assert adaptor.teacher.steps == literal.teacher.moves


@pytest.mark.stack
@pytest.mark.parametrize('case', CASES)
def test_ten_iterations_equal_the_paper(case):
    adaptor, own, literal = pair(case)
    terms = 1 + sum(name in ('mix', 'mask') for name in CASES[case][0])
    sure, distances = [], []
    for step in range(10):
        with (
            counted_forwards(adaptor.segmentor.backbone) as student,
            counted_forwards(adaptor.teacher.net.backbone) as teacher,
        ):
            logs = adaptor.train_step(wide(step), own)
        assert (student.value, teacher.value) == (2 * terms, 2)  # the context, and the detail
        theirs = literal.step(wide(step))
        assert logs['seg.decode.loss_ce'].item() == pytest.approx(theirs['supervised'], rel=1e-9)
        assert logs['mix.decode.loss_ce'].item() == pytest.approx(theirs['mix'], rel=1e-9)
        assert logs['segmentor.loss'].item() == pytest.approx(sum(theirs.values()), rel=1e-9)
        sure.append(logs['mix.sure'].item())
        distances.append(theirs['distance'])
    assert 0 < sum(sure) / len(sure) < 1
    assert (max(distances) > 0) == (case == 'daformer')
    assert_equal(adaptor, literal, 1e-11)  # the sharp attention amplifies roundings
    assert state_gap(adaptor.segmentor.backbone, adaptor.teacher.net.backbone) > 1e-4


@pytest.mark.parametrize('backward', ['stages', 'summed'])
def test_one_iteration_in_single_precision_equals_the_paper(backward):
    adaptor, own, literal = pair('daformer', torch.float32, backward=backward)
    adaptor.train_step(wide(1), own)
    literal.step(wide(1))
    assert_equal(adaptor, literal, 5e-6)


def test_summed_losses_give_the_gradients_of_the_stages():
    (staged, own, _), (summed, other, _) = (
        pair('mic', backward=kind) for kind in ('stages', 'summed')
    )
    for step in range(3):
        staged.train_step(wide(step), own)
        summed.train_step(wide(step), other)
    assert state_gap(staged.segmentor, summed.segmentor) <= 1e-12


@pytest.mark.parametrize(
    'wrong',
    [
        dict(shares=(0.2, 0.0)),
        dict(corners=lambda number, size: (8, 16)),
        dict(weight=0.06),
        dict(threshold=0.5),
    ],
)
def test_another_setting_on_one_side_shows(wrong):
    adaptor, own, literal = pair('daformer')
    for name, value in wrong.items():
        setattr(literal, name, value)
    for step in range(2):
        adaptor.train_step(wide(step), own)
        literal.step(wide(step))
    assert state_gap(weights_of(adaptor.segmentor), weights_of(literal.net)) > 1e-9


def test_no_step_waits_for_the_device():
    adaptor, own, _ = pair('mic')
    adaptor.train_step(wide(0), own)
    batch = wide(1)
    with Watch() as watch:
        adaptor.train_step(batch, own)
    assert watch.ours == []
