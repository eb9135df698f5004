"""The step of a later round of self-training against its iteration in plain torch."""

import copy

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers, gap, state_gap
from literal import LiteralSelfTraining
from mmengine.structures import PixelData

from mmseg_da.testing import toy_batch, toy_preprocessor, toy_pspnet, toy_segformer

TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-6}
SIZE = (64, 80)
ENTROPY = dict(type='TargetEntropy', penalty='charbonnier', resize=None, loss_weight=0.5)


def pseudo_batch(seed, kept=0.4):
    """A batch of which a share of target pixels has a label."""
    batch = toy_batch(2, SIZE, SIZE, seed)
    rng = torch.Generator().manual_seed(100 + seed)
    for sample in batch['target']['data_samples']:
        labels = torch.randint(0, 4, (1, *SIZE), generator=rng)
        labels[torch.rand(1, *SIZE, generator=rng) >= kept] = 255
        sample.pseudo_sem_seg = PixelData(data=labels)
    return batch


def make_pair(dtype, segmentor=None, heads=None, fda=False, backward='stages', weight=1.0):
    """An adaptor with its wrappers, and the literal iteration from the same weights."""
    segmentor = segmentor or toy_pspnet()
    pseudo = dict(type='PseudoSupervision', loss_weight=weight)
    pseudo |= {} if heads is None else dict(heads=heads)
    translator = dict(type='FourierTranslator', beta=0.1)
    adaptor = build_adaptor(
        dict(seg=SUPERVISION, pseudo=pseudo) | (dict(ent=ENTROPY) if fda else {}),
        segmentor,
        backward=backward,
        data_preprocessor=toy_preprocessor() | dict(source=dict(size=SIZE), target=dict(size=SIZE)),
        translator=translator if fda else None,
    ).to(dtype)
    clone = copy.deepcopy(adaptor)
    literal = LiteralSelfTraining(
        clone.segmentor,
        aux_weight=0.4 if adaptor.segmentor.with_auxiliary_head else 0.0,
        heads={name: weight * each for name, each in (heads or {'decode': 1.0}).items()},
        beta=0.1 if fda else None,
        entropy=ENTROPY['loss_weight'] if fda else 0.0,
    )
    return adaptor, build_wrappers(adaptor), literal, clone


def assert_same_run(steps, dtype, kept=0.4, **settings):
    adaptor, wrappers, literal, clone = make_pair(dtype, **settings)
    for seed in range(steps):
        logs = adaptor.train_step(pseudo_batch(seed, kept), wrappers)
        theirs = literal.step(pseudo_batch(seed, kept))
        assert logs['segmentor.loss'].item() == pytest.approx(sum(theirs.values()), rel=1e-5)
        assert logs['pseudo.labelled'].item() == pytest.approx(kept, abs=0.03)
        assert (theirs['pseudo'] > 0.01) == (kept > 0)
    assert state_gap(adaptor, clone) <= TOLERANCE[dtype]  # weights, statistics, counters
    mine = wrappers['segmentor']
    pairs = [
        (mine.optimizer.state[p]['momentum_buffer'], literal.sgd.state[q]['momentum_buffer'])
        for p, q in zip(adaptor.segmentor.parameters(), clone.segmentor.parameters(), strict=True)
    ]
    assert max(gap(p, q) for p, q in pairs) <= TOLERANCE[dtype]


@pytest.mark.stack
@pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
@pytest.mark.parametrize('backward', ['stages', 'summed'])
@pytest.mark.parametrize('fda', [False, True], ids=['cbst', 'fda'])
def test_iterations_equal_the_plain_ones(dtype, backward, fda):
    assert_same_run(10 if dtype == torch.float64 else 1, dtype, backward=backward, fda=fda)


def test_every_head_can_learn():
    assert_same_run(2, torch.float64, heads=dict(decode=1.0, aux=0.4), weight=0.7)


def test_a_segmentor_without_auxiliary_head_learns():
    assert_same_run(2, torch.float64, segmentor=toy_segformer())


def test_a_batch_without_a_label_changes_as_without_the_term():
    assert_same_run(2, torch.float64, kept=0.0)


def test_a_wrong_weight_is_noticed():
    adaptor, wrappers, literal, clone = make_pair(torch.float64)
    literal.weights['decode'] = 1.001
    adaptor.train_step(pseudo_batch(0), wrappers)
    literal.step(pseudo_batch(0))
    assert state_gap(adaptor, clone) > 1e-8
