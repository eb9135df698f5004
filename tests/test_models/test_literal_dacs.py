"""DACS, and MIC on several hosts, against their iterations in plain PyTorch."""

import copy

import pytest
import torch
from builders import adaptsegnet, build_wrappers, gap, state_gap
from literal import LiteralDACS, LiteralTaughtAdaptSegNet
from taught_builders import MASK, MIX, alike, build, drawn_by

from mmseg_da.testing import counted_forwards, toy_optim_wrapper

TOLERANCE = {torch.float64: 1e-12, torch.float32: 5e-6}
TOP_BOTTOM = dict(ignore_top=5, ignore_bottom=8)
# Objectives, the plain iteration's settings, and forwards of the student.
CASES = dict(
    dacs=(dict(mix=MIX | dict(classes='image', jitter=0.25)), dict(), 2),
    whole_batch=(dict(mix=MIX), dict(whole_batch=True), 2),
    margins=(dict(mix=MIX | TOP_BOTTOM), dict(whole_batch=True, margins=(5, 8)), 2),
    masked_alone=(dict(mask=MASK), dict(mix=False, mask=(0.7, 16)), 2),
    masked_dacs=(dict(mix=MIX, mask=MASK), dict(whole_batch=True, mask=(0.7, 16)), 3),
)
LR = 1e-3  # at a rate ten times this the toys amplify roundings
HOSTED = dict(mix=False, mask=(0.7, 16))


def wrappers(adaptor):
    cfg = toy_optim_wrapper(rivals='discriminators' in adaptor.parts())
    cfg['segmentor']['optimizer']['lr'] = LR
    return build_wrappers(adaptor, cfg)


def pair(name, dtype=torch.float64, backward='stages', **changed):
    objectives, settings, _ = CASES[name]
    adaptor = build(objectives, backward=backward).to(dtype)
    clone = copy.deepcopy(adaptor)
    settings = dict(alpha=0.9, threshold=0.4, draws=drawn_by(clone)) | settings | changed
    literal = LiteralDACS(clone.segmentor, aux_weight=0.4, lr=LR, **settings)
    return adaptor, wrappers(adaptor), literal


def assert_equal(adaptor, own, literal, tolerance):
    assert state_gap(adaptor.segmentor, literal.net) <= tolerance
    assert state_gap(adaptor.teacher.net, literal.teacher.net) <= tolerance
    assert adaptor.teacher.steps == literal.teacher.moves
    assert state_gap(adaptor.segmentor, adaptor.teacher.net) > 1e-4
    mine, theirs = own['segmentor'].optimizer.state, literal.sgd.state
    pairs = zip(adaptor.segmentor.parameters(), literal.net.parameters(), strict=True)
    moments = [(mine[p]['momentum_buffer'], theirs[q]['momentum_buffer']) for p, q in pairs]
    assert (
        max(gap(p, q) for p, q in moments) <= 1000 * tolerance
    )  # sums of gradients, which rounding moves more than weights


@pytest.mark.stack
@pytest.mark.parametrize('case', CASES)
def test_ten_iterations_equal_the_paper(case):
    adaptor, own, literal = pair(case)
    sure = []
    for step in range(10):
        with (
            counted_forwards(adaptor.segmentor.backbone) as student,
            counted_forwards(adaptor.teacher.net.backbone) as teacher,
        ):
            logs = adaptor.train_step(alike(seed=step), own)
        assert (student.value, teacher.value) == (CASES[case][2], 1)
        theirs = literal.step(alike(seed=step))
        for name in CASES[case][0]:
            assert logs[f'{name}.decode.loss_ce'].item() == pytest.approx(theirs[name], rel=1e-9)
            sure.append(logs.get(f'{name}.sure', torch.tensor(0.5)).item())
        assert logs['segmentor.loss'].item() == pytest.approx(sum(theirs.values()), rel=1e-9)
    assert 0 < sum(sure) / len(sure) < 1
    assert_equal(adaptor, own, literal, TOLERANCE[torch.float64])


@pytest.mark.parametrize('backward', ['stages', 'summed'])
def test_one_iteration_in_single_precision_equals_the_paper(backward):
    adaptor, own, literal = pair('dacs', torch.float32, backward)
    adaptor.train_step(alike(), own)
    literal.step(alike())
    assert state_gap(adaptor.segmentor, literal.net) <= TOLERANCE[torch.float32]


def test_masked_consistency_on_adaptsegnet_equals_the_paper():
    adaptor = build(adaptsegnet() | dict(mask=MASK)).double()
    clone = copy.deepcopy(adaptor)
    rivals = dict(aux='adv_aux', decode='adv_decode')
    literal = LiteralTaughtAdaptSegNet(
        clone.segmentor,
        {level: clone.objectives[name].discriminator for level, name in rivals.items()},
        {level: clone.objectives[name].loss_weight for level, name in rivals.items()},
        0.4,
        lr=LR,
        alpha=0.9,
        threshold=0.4,
        draws=drawn_by(clone),
        **HOSTED,
    )
    own = wrappers(adaptor)
    for step in range(10):
        logs = adaptor.train_step(alike(seed=step), own)
        theirs = literal.step(alike(seed=step))
        assert logs['mask.decode.loss_ce'].item() == pytest.approx(theirs['mask'], rel=1e-9)
    assert_equal(adaptor, own, literal, TOLERANCE[torch.float64])
    for name in rivals.values():
        ours, theirs = (each.objectives[name].discriminator for each in (adaptor, clone))
        assert state_gap(ours, theirs) <= TOLERANCE[torch.float64]


@pytest.mark.parametrize(
    'wrong', [dict(alpha=0.5), dict(threshold=0.5), dict(margins=(0, 1)), dict(whole_batch=True)]
)
def test_another_setting_on_one_side_shows(wrong):
    adaptor, own, literal = pair('dacs', **wrong)
    for step in range(10 if wrong.keys() & {'alpha', 'whole_batch'} else 1):
        adaptor.train_step(alike(seed=step), own)
        literal.step(alike(seed=step))
    assert state_gap(adaptor.segmentor, literal.net) > 1e-8
