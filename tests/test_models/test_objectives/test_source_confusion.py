"""The aggregation of several sources: against the plain iteration, and what it does."""

import copy

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers, gap, state_gap, train
from host_sync import Watch
from literal import LiteralSourceConfusion

from mmseg_da.errors import UserError
from mmseg_da.testing import counted_forwards, toy_alignment, toy_batch

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
RIVAL = dict(type='PointwiseDiscriminator', channels=(8, 4), outputs=3, dropout=0.0)


def terms(**settings):
    own = dict(type='SourceConfusion', discriminator=RIVAL, loss_weight=0.5)
    return dict(seg=SUPERVISION, mix=own | settings)


def batch(seed=0, num=4):
    return toy_batch(num, seed=seed, sources=3)


@pytest.mark.stack
@pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
def test_iterations_equal_the_formula(dtype):
    adaptor = build_adaptor(terms()).to(dtype)
    clone = copy.deepcopy(adaptor)
    rival = clone.objectives['mix'].discriminator
    literal = LiteralSourceConfusion(clone.segmentor, rival, 0.5, aux_weight=0.4)
    wrappers = build_wrappers(adaptor)
    for seed in range(3):
        with counted_forwards(adaptor.segmentor.backbone) as count:
            logs = adaptor.train_step(batch(seed), wrappers)
        assert count.value == 1  # the target is never forwarded
        theirs = literal.step(batch(seed))
        assert logs['mix.loss_confusion'].item() == pytest.approx(theirs['confused'], rel=1e-5)
        assert logs['mix.loss_origin'].item() == pytest.approx(theirs['named'], rel=1e-5)
    assert state_gap(adaptor, clone) <= TOLERANCE[dtype]
    mine, theirs = wrappers['discriminators'].optimizer.state, literal.adam.state
    rivals = (each.objectives['mix'].discriminator.parameters() for each in (adaptor, clone))
    for p, q in zip(*rivals, strict=True):
        assert gap(mine[p]['exp_avg'], theirs[q]['exp_avg']) <= TOLERANCE[dtype]


def test_it_trains_beside_an_alignment_with_the_target():
    adaptor = build_adaptor(terms() | dict(adv=toy_alignment()))
    logs = train(adaptor, build_wrappers(adaptor), 2, num=4, sources=3)
    assert {'mix.loss_origin', 'adv.loss_source', 'adv.loss_target'} <= set(logs[-1])


@pytest.mark.parametrize('of', ['softmax', 'entropy', 'features'])
def test_it_sees_what_an_alignment_sees(of):
    rival = RIVAL | (dict(in_channels=32) if of == 'features' else {})
    adaptor = build_adaptor(terms(of=of, discriminator=rival))
    assert adaptor.train_step(batch(), build_wrappers(adaptor))['mix.loss_confusion'] > 0


def test_a_batch_may_be_of_one_source():
    adaptor = build_adaptor(terms())
    logs = adaptor.train_step(toy_batch(2), build_wrappers(adaptor))
    assert logs['mix.loss_origin'].isfinite()


def test_nothing_waits_for_the_device():
    adaptor = build_adaptor(terms())
    wrappers = build_wrappers(adaptor)
    adaptor.train_step(batch(), wrappers)
    following = batch(1)
    with Watch() as watch:
        adaptor.train_step(following, wrappers)
    assert watch.ours == []


@pytest.mark.parametrize('outputs', [1, 2])
def test_a_rival_without_an_output_for_each_source_is_told(outputs):
    adaptor = build_adaptor(terms(discriminator=RIVAL | dict(outputs=outputs)))
    with pytest.raises(UserError, match=f'has {outputs} outputs, but an image is of source 2'):
        adaptor.train_step(batch(), build_wrappers(adaptor))


def test_a_kind_of_loss_cannot_be_chosen_for_nothing():
    with pytest.raises(UserError, match='SourceConfusion: kind'):
        build_adaptor(terms(kind='lsgan'))
