"""AlternatingAdaptor against CyCADA's released order in plain torch, and its gate."""

import copy

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers, snapshot, state_gap
from literal import LiteralAdda

from mmseg_da.errors import UserError
from mmseg_da.functional import SOURCE, domain_loss
from mmseg_da.models import FeatureAlignment
from mmseg_da.testing import counted_forwards, toy_batch, toy_optim_wrapper, toy_pspnet

RIVAL = dict(type='PointwiseDiscriminator', channels=(8, 6), dropout=0.0)
TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-5}


def alignment(**settings):
    return dict(type='FeatureAlignment', discriminator=RIVAL, loss_weight=0.1) | settings


def build(model='AlternatingAdaptor', others=None, **settings):
    objectives = dict(align=alignment(**settings), seg=SUPERVISION)
    return build_adaptor(objectives, toy_pspnet(), type=model, **(others or {}))


@pytest.mark.stack
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize(('gate', 'updates'), [(0.0, 10), (0.5, None), (0.99, 0)])
def test_it_is_the_order_of_the_released_code(gate, updates, dtype):
    model = build(gate=gate, gate_window=3).to(dtype)
    wrappers = build_wrappers(model)
    clone = copy.deepcopy(model)
    literal = LiteralAdda(
        clone.segmentor,
        clone.objectives['align'].discriminator,
        weight=0.1,
        gate=gate,
        window=3,
        aux_weight=0.4,
    )
    for seed in range(10):
        batch = toy_batch(seed=seed)
        logs = model.train_step(copy.deepcopy(batch), wrappers)
        theirs = literal.step(batch)
        assert logs['discriminators.loss'].item() == pytest.approx(theirs['rival'], rel=1e-4)
        assert ('align.loss_fool' in logs) == ('fooling' in theirs)
        if 'task' in theirs:
            assert logs['seg.loss'].item() == pytest.approx(theirs['task'], rel=1e-4)
    assert state_gap(model.segmentor, clone.segmentor) <= TOLERANCE[dtype]
    assert (
        state_gap(model.objectives['align'].discriminator, clone.objectives['align'].discriminator)
        <= TOLERANCE[dtype]
    )
    if updates is not None:
        assert literal.updates == updates


def build_unshared(seed=0, **settings):
    objectives = dict(align=alignment(**settings))
    return build_adaptor(
        objectives, toy_pspnet(), seed, type='AlternatingAdaptor', weights_shared=False
    )


@pytest.mark.stack
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize(('gate', 'updates'), [(0.0, 10), (0.5, None)])
def test_without_shared_weights_the_source_is_seen_as_it_was(gate, updates, dtype):
    model = build_unshared(gate=gate, gate_window=3).to(dtype)
    wrappers = build_wrappers(model)
    clone = copy.deepcopy(model)
    before = snapshot(model.segmentor)
    literal = LiteralAdda(
        clone.segmentor,
        clone.objectives['align'].discriminator,
        weight=0.1,
        gate=gate,
        window=3,
        shared=False,
        aux_weight=0.4,
    )
    for seed in range(10):
        batch = toy_batch(seed=seed)
        logs = model.train_step(copy.deepcopy(batch), wrappers)
        theirs = literal.step(batch)
        assert logs['discriminators.loss'].item() == pytest.approx(theirs['rival'], rel=1e-4)
        assert ('align.loss_fool' in logs) == ('fooling' in theirs)
    assert state_gap(model.segmentor, clone.segmentor) <= TOLERANCE[dtype]
    rivals = (each.objectives['align'].discriminator for each in (model, clone))
    assert state_gap(*rivals) <= TOLERANCE[dtype]
    assert state_gap(snapshot(model.source_segmentor), before) == 0.0  # its statistics, too
    assert state_gap(snapshot(model.segmentor), before) > 1e-4
    if updates is not None:
        assert literal.updates == updates


def test_the_network_of_the_source_is_in_the_state_and_is_not_trained():
    model = build_unshared(gate=0.0)
    model.train()
    assert model.segmentor.training
    assert not any(each.training for each in model.source_segmentor.modules())
    ours = {id(p) for part in model.parts().values() for p in part.parameters()}
    assert not any(id(p) in ours or p.requires_grad for p in model.source_segmentor.parameters())
    both = model.source_segmentor.backbone, model.segmentor.backbone
    with counted_forwards(both[0]) as source, counted_forwards(both[1]) as target:
        model.train_step(toy_batch(), build_wrappers(model))
    assert (source.value, target.value) == (1, 2)
    again = build_unshared(seed=1)
    again.load_state_dict(model.state_dict())
    assert state_gap(again.source_segmentor, model.source_segmentor) == 0.0
    assert state_gap(again.source_segmentor, again.segmentor) > 0.0


@pytest.mark.parametrize('plain', [False, True])
def test_both_networks_start_from_the_checkpoint_of_one(plain):
    one = build(gate=0.0)
    state = (one.segmentor if plain else one).state_dict()
    model = build_unshared(seed=1)
    assert state_gap(model.segmentor, one.segmentor) > 0.0
    model.load_state_dict(state, strict=False)
    for network in (model.segmentor, model.source_segmentor):
        assert state_gap(network, one.segmentor) == 0.0


def test_a_frozen_network_of_the_source_has_no_task():
    with pytest.raises(UserError, match=r'objectives\.seg: .*SourceSupervision.*set it to None'):
        build(others=dict(weights_shared=False))


@pytest.mark.parametrize(('kind', 'forwards'), [('AlternatingAdaptor', 4), ('DomainAdaptor', 2)])
def test_sharing_forwards_halves_them(kind, forwards):
    model = build(kind, gate=0.0)
    model.objectives['align'].accuracies.fill_(1.0)
    model.objectives['align'].judged.fill_(3)
    with counted_forwards(model.segmentor.backbone) as count:
        model.train_step(toy_batch(), build_wrappers(model))
    assert count.value == forwards


def test_a_closed_gate_trains_the_discriminator_alone():
    model = build(gate=0.99)
    before, wrappers = snapshot(model), build_wrappers(model)
    logs = model.train_step(toy_batch(), wrappers)
    assert {key for key in logs if key.endswith('loss')} == {'discriminators.loss'}
    weights = dict(model.named_parameters())
    moved = {key.split('.')[0] for key in weights if not torch.equal(weights[key], before[key])}
    assert moved == {'objectives'}
    assert model.objectives['align'].closed_for == 1
    model.train_step(toy_batch(), wrappers)
    assert model.objectives['align'].closed_for == 2


def test_in_a_domain_adaptor_a_closed_gate_leaves_the_task():
    model = build('DomainAdaptor', gate=0.99)
    logs = model.train_step(toy_batch(), build_wrappers(model))
    assert logs['align.loss_fool'] == 0
    assert logs['seg.decode.loss_ce'] > 0


def test_the_gate_averages_over_its_window():
    objective = FeatureAlignment(RIVAL, gate=0.6, gate_window=3)
    states = []
    for accuracy in (0.5, 0.8, 0.8, 0.4, 0.4):
        objective._note(torch.tensor(accuracy))
        states.append((objective.is_open(), objective.closed_for.item()))
    # means: .5, .65, .7, .667, .533
    assert states == [(False, 1), (True, 0), (True, 0), (True, 0), (False, 1)]


def test_a_gate_of_none_is_always_open():
    objective = FeatureAlignment(RIVAL, gate=None)
    assert objective.is_open()


@pytest.mark.parametrize('gate', [1.0, -0.1])
def test_a_gate_that_is_no_accuracy_is_refused(gate):
    with pytest.raises(UserError, match='an accuracy in'):
        FeatureAlignment(RIVAL, gate=gate)


def test_accumulation_is_refused():
    model = build(gate=0.0)
    wrappers = build_wrappers(model, toy_optim_wrapper(accumulative_counts=2))
    with pytest.raises(UserError, match='accumulative_counts=1'):
        model.train_step(toy_batch(), wrappers)


@pytest.mark.parametrize('kind', ['vanilla', 'two_way'])
def test_a_fooling_step_moves_the_target_towards_the_source(kind):
    rival = RIVAL | dict(outputs=1 if kind == 'vanilla' else 2)
    model = build(discriminator=rival, kind=kind, gate=None)
    objective = model.objectives['align']
    logits = torch.randn(1, 4, 8, 8, requires_grad=True)

    def called_source(scores):
        verdict = objective.discriminator(scores)
        if kind == 'two_way':
            return verdict.softmax(1)[:, 1].mean()
        return verdict.neg().sigmoid().mean()

    loss = domain_loss(objective.discriminator(logits), SOURCE, kind)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert called_source(logits - 100 * gradient) > called_source(logits)
