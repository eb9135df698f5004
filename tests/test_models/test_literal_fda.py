"""FDA's training step against its iteration in plain torch, with every switch."""

import copy

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers, gap, state_gap
from literal import LiteralFDA

from mmseg_da.testing import (
    toy_batch,
    toy_preprocessor,
    toy_pspnet,
    toy_segformer,
)

TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-6}
SIZE = (64, 80)
ENTROPY = dict(type='TargetEntropy', penalty='charbonnier', resize=None, loss_weight=0.5)


def make_pair(dtype, segmentor=None, target_size=SIZE, backward='stages', entropy=ENTROPY, **fda):
    """An adaptor with its wrappers, and the literal iteration from the same weights."""
    preprocessor = toy_preprocessor() | dict(source=dict(size=SIZE), target=dict(size=target_size))
    adaptor = build_adaptor(
        dict(seg=SUPERVISION, ent=entropy),
        segmentor,
        backward=backward,
        data_preprocessor=preprocessor,
        translator=dict(type='FourierTranslator', beta=0.1) | fda,
    ).to(dtype)
    clone = copy.deepcopy(adaptor)
    heads = adaptor.segmentor
    literal = LiteralFDA(
        clone.segmentor,
        beta=0.1,
        legacy=fda.get('window') == 'legacy',
        clip=fda.get('clip', False),
        weight=0.0 if entropy is None else entropy['loss_weight'],
        eta=None if entropy is None or entropy.get('penalty') is None else entropy.get('eta', 2.0),
        low_resolution=entropy is None or entropy['resize'] is None,
        aux_weight=0.4 if heads.with_auxiliary_head else 0.0,
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
    mine = wrappers['segmentor']
    pairs = [
        (mine.optimizer.state[p]['momentum_buffer'], literal.sgd.state[q]['momentum_buffer'])
        for p, q in zip(adaptor.segmentor.parameters(), clone.segmentor.parameters(), strict=True)
    ]
    assert max(gap(p, q) for p, q in pairs) <= TOLERANCE[dtype]


every_window = pytest.mark.parametrize('window', ['symmetric', 'legacy'])


@pytest.mark.stack
@pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
@pytest.mark.parametrize('backward', ['stages', 'summed'])
@every_window
def test_one_iteration_equals_the_paper(dtype, backward, window):
    assert_same_run(1, dtype, backward=backward, window=window)


@every_window
def test_ten_iterations_equal_the_paper(window):
    assert_same_run(10, torch.float64, window=window)


def test_a_segmentor_with_one_head_equals_the_paper():
    assert_same_run(2, torch.float64, segmentor=toy_segformer())


@pytest.mark.parametrize(
    'changed',
    [dict(penalty=None), dict(resize='image'), dict(eta=0.75), dict(resize='image', penalty=None)],
    ids=str,
)
def test_every_kind_of_entropy_equals_the_paper(changed):
    assert_same_run(2, torch.float64, entropy=ENTROPY | changed)


def test_cut_pixels_equal_the_paper():
    assert_same_run(2, torch.float64, clip=True)


def test_target_images_of_another_size_equal_the_paper():
    assert_same_run(2, torch.float64, target_size=(48, 96))


def test_before_its_switch_the_entropy_moves_statistics_alone():
    """The weight is 0 for the first two iterations; the released code forwards the target there."""
    adaptor, wrappers, literal, clone = make_pair(torch.float64)
    literal.switch = 1
    for seed in range(4):
        adaptor.objectives['ent'].loss_weight = 0.0 if seed < 2 else literal.weight
        adaptor.train_step(toy_batch(2, SIZE, SIZE, seed), wrappers)
        theirs = literal.step(toy_batch(2, SIZE, SIZE, seed))
        assert (theirs['entropy'] > 0) == (seed >= 2)
    assert state_gap(adaptor, clone) <= 1e-11


def test_without_entropy_it_is_supervision_on_swapped_images():
    """The target is not forwarded then: its images give the look alone."""
    adaptor, wrappers, literal, clone = make_pair(torch.float64, entropy=None)
    literal.robust_entropy = lambda images: torch.zeros((), requires_grad=True)
    for seed in range(2):
        adaptor.train_step(toy_batch(2, SIZE, SIZE, seed), wrappers)
        literal.step(toy_batch(2, SIZE, SIZE, seed))
    assert state_gap(adaptor, clone) <= 1e-11


def test_a_wrong_window_is_noticed():
    adaptor, wrappers, literal, clone = make_pair(torch.float64)
    literal.legacy = True
    adaptor.train_step(toy_batch(2, SIZE, SIZE), wrappers)
    literal.step(toy_batch(2, SIZE, SIZE))
    assert state_gap(adaptor, clone) > 1e-6


def test_half_of_the_batch_order_matters():
    """Each source image takes the look of the target image of its own place."""
    adaptor, wrappers, literal, clone = make_pair(torch.float64, toy_pspnet())
    batch = toy_batch(2, SIZE, SIZE)
    adaptor.train_step(batch, wrappers)
    turned = toy_batch(2, SIZE, SIZE)
    turned['target']['inputs'].reverse()
    literal.step(turned)
    assert state_gap(adaptor, clone) > 1e-6
