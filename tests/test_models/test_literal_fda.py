"""FDA's training step against its iteration in plain torch, with every switch."""

import copy

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers, gap, state_gap
from literal import LiteralFDA, LiteralSourceOnly

from mmseg_da.testing import toy_batch, toy_preprocessor, toy_segformer

TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-6}
SIZE = (64, 80)
ENTROPY = dict(type='TargetEntropy', penalty='charbonnier', resize=None, loss_weight=0.5)
# Arguments of the translator and of the entropy, and the same in the words of the plain iteration.
SWITCHES = dict(
    legacy=(dict(window='legacy'), {}, dict(legacy=True)),
    radius=(dict(radius=6), {}, {}),  # the share in make_pair, in frequencies
    cut=(dict(clip=True), {}, dict(clip=True)),
    image_size=({}, dict(resize='image'), dict(full_size=True)),
    eta=({}, dict(eta=0.75, epsilon=1e-6), dict(robust=(0.75, 1e-6))),
    no_penalty=({}, dict(penalty=None), dict(robust=None)),
)


def make_pair(dtype, switch=None, segmentor=None, target_size=SIZE, backward='stages', ent=ENTROPY):
    """An adaptor with its wrappers, and the literal iteration from the same weights."""
    look, entropy, words = SWITCHES[switch] if switch else ({}, {}, {})
    preprocessor = toy_preprocessor() | dict(source=dict(size=SIZE), target=dict(size=target_size))
    adaptor = build_adaptor(
        dict(seg=SUPERVISION, ent=ent and ent | entropy),
        segmentor,
        backward=backward,
        data_preprocessor=preprocessor,
        translator=dict(type='FourierTranslator', beta=0.1) | look,
    ).to(dtype)
    clone = copy.deepcopy(adaptor)
    literal = LiteralFDA(
        clone.segmentor,
        beta=0.1,
        weight=0.5,
        aux_weight=0.4 if adaptor.segmentor.with_auxiliary_head else 0.0,
        **words,
    )
    return adaptor, build_wrappers(adaptor), literal, clone


def assert_same_run(steps, dtype, target_size=SIZE, **settings):
    adaptor, wrappers, literal, clone = make_pair(dtype, target_size=target_size, **settings)
    before = copy.deepcopy(adaptor.state_dict())
    for seed in range(steps):
        logs = adaptor.train_step(toy_batch(2, SIZE, target_size, seed), wrappers)
        theirs = literal.step(toy_batch(2, SIZE, target_size, seed))
        total = theirs['supervised'] + theirs['entropy']
        assert logs['segmentor.loss'].item() == pytest.approx(total, rel=1e-5)
        assert theirs['entropy'] > 0.01 * theirs['supervised']
    after = adaptor.state_dict()
    assert all(not torch.equal(value, after[key]) for key, value in before.items())
    assert state_gap(adaptor, clone) <= TOLERANCE[dtype]  # weights, statistics, counters
    mine, theirs = wrappers['segmentor'].optimizer.state, literal.sgd.state
    pairs = [
        (mine[p]['momentum_buffer'], theirs[q]['momentum_buffer'])
        for p, q in zip(adaptor.segmentor.parameters(), clone.segmentor.parameters(), strict=True)
    ]
    assert max(gap(p, q) for p, q in pairs) <= TOLERANCE[dtype]


@pytest.mark.stack
@pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
@pytest.mark.parametrize('backward', ['stages', 'summed'])
@pytest.mark.parametrize('switch', [None, 'legacy'])
def test_one_iteration_equals_the_paper(dtype, backward, switch):
    assert_same_run(1, dtype, backward=backward, switch=switch)


@pytest.mark.parametrize('switch', [None, 'legacy'])
def test_ten_iterations_equal_the_paper(switch):
    assert_same_run(10, torch.float64, switch=switch)


@pytest.mark.parametrize('switch', SWITCHES)
def test_every_switch_equals_the_paper(switch):
    assert_same_run(2, torch.float64, switch=switch)


def test_a_segmentor_with_one_head_equals_the_paper():
    assert_same_run(2, torch.float64, segmentor=toy_segformer())


def test_target_images_of_another_size_equal_the_paper():
    assert_same_run(2, torch.float64, target_size=(48, 96))


def test_before_its_switch_the_entropy_moves_statistics_alone():
    """The weight is 0 in the first two iterations; the released code forwards the target there."""
    adaptor, wrappers, literal, clone = make_pair(torch.float64)
    literal.switch = 1
    for seed in range(4):
        adaptor.objectives['ent'].loss_weight = 0.0 if seed < 2 else 0.5
        adaptor.train_step(toy_batch(2, SIZE, SIZE, seed), wrappers)
        theirs = literal.step(toy_batch(2, SIZE, SIZE, seed))
        assert (theirs['entropy'] > 0) == (seed >= 2)
    assert state_gap(adaptor, clone) <= TOLERANCE[torch.float64]


def test_without_entropy_it_is_supervision_on_swapped_images():
    """The target is not forwarded then: its images give the look alone."""
    adaptor, wrappers, literal, clone = make_pair(torch.float64, ent=None)
    for seed in range(2):
        adaptor.train_step(toy_batch(2, SIZE, SIZE, seed), wrappers)
        LiteralSourceOnly.step(literal, toy_batch(2, SIZE, SIZE, seed))
    assert state_gap(adaptor, clone) <= TOLERANCE[torch.float64]


def after_one(change, switch=None):
    """How far apart the two are if one of them is changed."""
    adaptor, wrappers, literal, clone = make_pair(torch.float64, switch)
    batch = toy_batch(2, SIZE, SIZE)
    change(literal, batch)
    adaptor.train_step(toy_batch(2, SIZE, SIZE), wrappers)
    literal.step(batch)
    return state_gap(adaptor, clone)


def test_another_window_is_noticed():
    assert after_one(lambda literal, _: setattr(literal, 'legacy', True)) > 1e-6


def test_each_source_image_takes_the_look_of_the_target_image_of_its_place():
    assert after_one(lambda _, batch: batch['target']['inputs'].reverse()) > 1e-6
