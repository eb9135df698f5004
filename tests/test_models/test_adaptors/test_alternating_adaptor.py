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


def build(model='AlternatingAdaptor', **settings):
    objectives = dict(align=alignment(**settings), seg=SUPERVISION)
    return build_adaptor(objectives, toy_pspnet(), type=model)


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
