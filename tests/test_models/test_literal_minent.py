"""ADVENT against its iterations in plain PyTorch: AdvEnt, and MinEnt with each of its switches."""

import copy

import pytest
import test_literal_iteration as adversarial
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers, gap, state_gap
from literal import LiteralMinEnt

from mmseg_da.testing import counted_forwards, toy_batch, toy_pspnet

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
PRIOR = [0.4, 0.3, 0.2, 0.1]
# The objective's arguments, and the same in the words of the plain iteration.
SWITCHES = dict(
    entropy=({}, {}),
    ranking=(dict(share=0.3), dict(share=0.3)),
    low_resolution=(dict(resize=None), dict(full_size=False)),
    sum=(dict(reduction='sum', loss_weight=1e-4), dict(total=True)),
    fda=(
        dict(penalty='charbonnier', resize=None),
        dict(robust=(2.0, 1e-8), full_size=False),
    ),
    robust_ranking=(
        dict(penalty='charbonnier', eta=1.5, epsilon=1e-6, share=0.5),
        dict(robust=(1.5, 1e-6), share=0.5),
    ),
)
TWO, ONE = ('aux', 'decode'), ('decode',)


def make_pair(levels, dtype, ours=None, theirs=None, prior=None, backward='stages'):
    """An adaptor with its optimizer, and the literal iteration from the same weights."""
    objectives = dict(seg=SUPERVISION)
    for level in levels:
        weight = dict(aux=0.05, decode=0.2)[level]
        own = dict(type='TargetEntropy', head=level, loss_weight=weight)
        objectives[f'ent_{level}'] = own | (ours or {})
    if prior is not None:
        weight, mu, ratios = prior
        objectives['ratio'] = dict(type='ClassPrior', mu=mu, prior=ratios, loss_weight=weight)
    adaptor = build_adaptor(objectives, toy_pspnet(), backward=backward).to(dtype)
    clone = copy.deepcopy(adaptor)
    literal = LiteralMinEnt(
        clone.segmentor,
        {level: clone.objectives[f'ent_{level}'].loss_weight for level in levels},
        aux_weight=0.4,
        prior=prior,
        **(theirs or {}),
    )
    return adaptor, build_wrappers(adaptor), literal, clone


def assert_same_run(steps, levels, dtype, **settings):
    adaptor, wrappers, literal, clone = make_pair(levels, dtype, **settings)
    before = copy.deepcopy(adaptor.segmentor.state_dict())
    for step in range(steps):
        with counted_forwards(adaptor.segmentor.backbone) as count:
            logs = adaptor.train_step(toy_batch(seed=step), wrappers)
        assert count.value == 2
        theirs = literal.step(toy_batch(seed=step))
        entropy = sum(value for key, value in logs.items() if key.endswith('loss_ent'))
        assert entropy.item() == pytest.approx(theirs['entropy'], rel=1e-5)
        if 'prior' in theirs:
            assert logs['ratio.loss_prior'].item() == pytest.approx(theirs['prior'], rel=1e-5)
        assert logs['segmentor.loss'].item() == pytest.approx(sum(theirs.values()), rel=1e-5)
    assert state_gap(adaptor.segmentor, clone.segmentor) <= TOLERANCE[dtype]
    mine, theirs = wrappers['segmentor'].optimizer.state, literal.sgd.state
    pairs = zip(adaptor.segmentor.parameters(), clone.segmentor.parameters(), strict=True)
    moments = [(mine[p]['momentum_buffer'], theirs[q]['momentum_buffer']) for p, q in pairs]
    assert max(gap(p, q) for p, q in moments) <= TOLERANCE[dtype]
    after = adaptor.segmentor.state_dict()
    assert all(not torch.equal(value, after[key]) for key, value in before.items())


every_dtype = pytest.mark.parametrize('dtype', TOLERANCE, ids=str)


@pytest.mark.stack
@every_dtype
@pytest.mark.parametrize('levels', [adversarial.ONE_LEVEL, adversarial.TWO_LEVELS])
def test_advent_equals_the_paper(dtype, levels):
    adversarial.assert_same_run(3, levels, dtype, of='entropy')


@pytest.mark.stack
@every_dtype
@pytest.mark.parametrize('backward', ['stages', 'summed'])
@pytest.mark.parametrize('levels', [ONE, TWO], ids=['single', 'multi'])
def test_one_iteration_equals_the_paper(dtype, backward, levels):
    assert_same_run(1, levels, dtype, backward=backward)


@every_dtype
@pytest.mark.parametrize('switch', SWITCHES)
def test_every_switch_equals_the_paper(dtype, switch):
    ours, theirs = SWITCHES[switch]
    # In float32 a rounding may rank other pixels, which adds up.
    steps = 5 if dtype == torch.float64 else 1
    assert_same_run(steps, TWO, dtype, ours=ours, theirs=theirs)


@every_dtype
@pytest.mark.parametrize('ratios', [PRIOR, None], ids=['given', 'counted'])
def test_the_class_ratio_prior_equals_the_paper(dtype, ratios):
    assert_same_run(5, TWO, dtype, prior=(0.5, 1.0, ratios))


@pytest.mark.parametrize('wrong', [dict(robust=(2.0, 1e-3)), dict(share=0.9), dict(total=True)])
def test_another_switch_on_one_side_shows(wrong):
    adaptor, wrappers, literal, clone = make_pair(ONE, torch.float64, theirs=wrong)
    adaptor.train_step(toy_batch(), wrappers)
    literal.step(toy_batch())
    assert state_gap(adaptor.segmentor, clone.segmentor) > 1e-7
