"""The product's training step against the paper's iteration in plain torch."""

import copy

import pytest
import torch
from builders import SUPERVISION, adaptsegnet, build_adaptor, build_wrappers, gap, state_gap
from literal import LiteralAdaptSegNet

from mmseg_da.testing import toy_alignment, toy_batch

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
TWO_LEVELS = {'adv_aux': 'aux', 'adv_decode': 'decode'}
ONE_LEVEL = {'adv_decode': 'decode'}


def make_pair(levels: dict, dtype: torch.dtype, backward: str = 'stages', **settings):
    """An adaptor with its wrappers, and the literal iteration from the same weights."""
    objectives = (
        adaptsegnet(**settings)
        if levels is TWO_LEVELS
        else dict(seg=SUPERVISION, adv_decode=toy_alignment(**settings))
    )
    adaptor = build_adaptor(objectives, backward=backward).to(dtype)
    clone = copy.deepcopy(adaptor)
    literal = LiteralAdaptSegNet(
        clone.segmentor,
        {level: clone.objectives[name].discriminator for name, level in levels.items()},
        {level: clone.objectives[name].loss_weight for name, level in levels.items()},
        aux_weight=0.4,
        of=settings.get('of', 'softmax'),
        lsgan=settings.get('kind') == 'lsgan',
    )
    return adaptor, build_wrappers(adaptor), literal, clone


def assert_equal(adaptor, wrappers, literal, clone, levels, tolerance) -> None:
    assert state_gap(adaptor, clone) <= tolerance  # weights, running statistics, counters
    mine, theirs = wrappers['segmentor'].optimizer.state, literal.sgd.state
    pairs = [
        (mine[p]['momentum_buffer'], theirs[q]['momentum_buffer'])
        for p, q in zip(adaptor.segmentor.parameters(), clone.segmentor.parameters(), strict=True)
    ]
    mine = wrappers['discriminators'].optimizer.state
    for name, level in levels.items():
        theirs = literal.adams[level].state
        rivals = (each.objectives[name].discriminator.parameters() for each in (adaptor, clone))
        for p, q in zip(*rivals, strict=True):
            pairs += [(mine[p][key], theirs[q][key]) for key in ('step', 'exp_avg', 'exp_avg_sq')]
    assert len(pairs) >= 60 + 30
    assert max(gap(p, q) for p, q in pairs) <= tolerance
    assert any(p.abs().max() > 100 * tolerance for p, _ in pairs)


def assert_same_run(steps: int, levels: dict, dtype: torch.dtype, **settings) -> None:
    adaptor, wrappers, literal, clone = make_pair(levels, dtype, **settings)
    before = copy.deepcopy(adaptor.state_dict())
    for step in range(steps):
        logs = adaptor.train_step(toy_batch(seed=step), wrappers)
        theirs = literal.step(toy_batch(seed=step))
        total = theirs['supervised'] + theirs['fooling']
        assert logs['segmentor.loss'].item() == pytest.approx(total, rel=1e-5)
        rivals = sum(value for key, value in theirs.items() if key.startswith('rival'))
        assert logs['discriminators.loss'].item() == pytest.approx(rivals, rel=1e-5)
    moved = [
        key for key, value in before.items() if not torch.equal(value, adaptor.state_dict()[key])
    ]
    assert len(moved) == len(before)  # every weight and statistic took part
    assert_equal(adaptor, wrappers, literal, clone, levels, TOLERANCE[dtype])


every_dtype = pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
every_kind = pytest.mark.parametrize('kind', ['vanilla', 'lsgan'])
every_level = pytest.mark.parametrize('levels', [ONE_LEVEL, TWO_LEVELS], ids=['single', 'multi'])


@pytest.mark.stack
@every_dtype
@pytest.mark.parametrize('backward', ['stages', 'summed'])
@every_level
@every_kind
def test_one_iteration_equals_the_paper(dtype, backward, levels, kind):
    assert_same_run(1, levels, dtype, backward=backward, kind=kind)


@every_dtype
@every_level
@every_kind
def test_ten_iterations_equal_the_paper(dtype, levels, kind):
    assert_same_run(10, levels, dtype, kind=kind)


def test_ten_iterations_summed_equal_the_paper():
    assert_same_run(10, TWO_LEVELS, torch.float64, backward='summed')


@every_kind
@pytest.mark.parametrize('of', ['softmax', 'logits', 'entropy', 'features'])
def test_every_representation_and_loss_equals_the_paper(of, kind):
    rival = dict(type='PixelDiscriminator', channels=4)
    if of == 'features':
        rival.update(in_channels=32, num_convs=2)  # features are an eighth of the image
    assert_same_run(2, ONE_LEVEL, torch.float64, of=of, kind=kind, discriminator=rival)


def test_a_wrong_weight_is_noticed():
    adaptor, wrappers, literal, clone = make_pair(TWO_LEVELS, torch.float64)
    literal.weights['aux'] *= 1.001
    adaptor.train_step(toy_batch(), wrappers)
    literal.step(toy_batch())
    assert state_gap(adaptor, clone) > 1e-12
