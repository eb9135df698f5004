"""Who moves where: the segmentor towards the source, the rivals apart, neither by the other."""

import copy

import pytest
import torch
from builders import adaptsegnet, build_adaptor, build_wrappers, gap, state_gap, train
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from mmseg_da.functional import SOURCE, TARGET, domain_loss, softmax_map
from mmseg_da.structures import dense_forward
from mmseg_da.testing import toy_alignment, toy_batch, toy_optim_wrapper

KINDS = pytest.mark.parametrize('kind', ['vanilla', 'lsgan'])


def plain_sgd(segmentor: float, discriminators: float, **shared) -> dict:
    """Optimizers without memory, so that one step shows the gradient."""
    cfg = toy_optim_wrapper(**shared)
    cfg['segmentor'] = dict(optimizer=dict(type='SGD', lr=segmentor))
    cfg['discriminators'] = dict(optimizer=dict(type='SGD', lr=discriminators))
    return cfg


def verdict(segmentor: EncoderDecoder, rival: nn.Module, images: Tensor) -> Tensor:
    logits = dense_forward(segmentor, images).logits['decode']
    logits = nn.functional.interpolate(logits, images.shape[-2:], mode='bilinear')
    return rival(softmax_map(logits))


def images_of(adaptor: nn.Module, domain: str) -> Tensor:
    return adaptor.data_preprocessor(toy_batch(), training=True)[domain]['inputs']


@KINDS
def test_a_fooling_step_moves_the_target_towards_the_source(kind):
    adaptor = build_adaptor(dict(adv=toy_alignment(kind=kind, loss_weight=1.0)))
    adaptor.objectives['adv'].discriminator[-1].bias.data.fill_(0.5)  # leans towards the target
    rival = copy.deepcopy(adaptor.objectives['adv'].discriminator)
    images = images_of(adaptor, 'target')
    before = verdict(copy.deepcopy(adaptor.segmentor), rival, images)
    train(adaptor, build_wrappers(adaptor, plain_sgd(10.0, 0.0)))
    after = verdict(adaptor.segmentor, rival, images)
    assert domain_loss(after, SOURCE, kind) < domain_loss(before, SOURCE, kind) - 1e-6
    assert domain_loss(after, TARGET, kind) > domain_loss(before, TARGET, kind) + 1e-6


@KINDS
def test_a_rival_learns_to_tell_the_domains_apart(kind):
    adaptor = build_adaptor(dict(adv=toy_alignment(kind=kind)))
    cfg = plain_sgd(0.0, 0.0)
    cfg['discriminators'] = dict(optimizer=dict(type='Adam', lr=1e-2))
    wrappers = build_wrappers(adaptor, cfg)
    losses = [adaptor.train_step(toy_batch(), wrappers)['discriminators.loss'] for _ in range(20)]
    assert losses[1] < losses[0]
    assert losses[-1] < 0.5 * losses[0]
    rival = adaptor.objectives['adv'].discriminator
    source, target = (
        verdict(adaptor.segmentor, rival, images_of(adaptor, domain)).detach()
        for domain in ('source', 'target')
    )
    threshold = 0.0 if kind == 'vanilla' else 0.5
    assert (source < threshold).float().mean() > 0.9  # the source is 0, the target 1
    assert (target > threshold).float().mean() > 0.9


def test_the_rival_does_not_feel_the_segmentors_phase():
    states = []
    for weight in (0.0, 1e3):
        adaptor = build_adaptor(dict(adv=toy_alignment(loss_weight=weight)))
        train(adaptor, build_wrappers(adaptor))
        states.append(adaptor)
    rivals = [each.objectives['adv'].discriminator for each in states]
    assert state_gap(*rivals) == 0.0
    assert state_gap(states[0].segmentor, states[1].segmentor) > 1e-3


def test_no_rival_has_a_gradient_when_its_own_phase_begins(monkeypatch):
    adaptor = build_adaptor(adaptsegnet())
    found = []
    objective = adaptor.objectives['adv_decode']
    losses_of = objective.discriminator_losses

    def look_first(step):
        found.extend(
            p.grad for each in adaptor.parts()['discriminators'].values() for p in each.parameters()
        )
        return losses_of(step)

    monkeypatch.setattr(objective, 'discriminator_losses', look_first)
    train(adaptor, build_wrappers(adaptor, plain_sgd(0.1, 0.1, accumulative_counts=3)))
    assert len(found) == 20
    assert all(grad is None for grad in found)


@pytest.mark.parametrize('backward', ['stages', 'summed'])
def test_each_part_gets_the_gradient_of_its_own_losses(backward):
    """Accumulation keeps the gradients of one step where they can be looked at."""
    adaptor = build_adaptor(adaptsegnet(), backward=backward).double()
    twin = copy.deepcopy(adaptor)
    train(adaptor, build_wrappers(adaptor, plain_sgd(0.1, 0.1, accumulative_counts=2)))

    data = twin.data_preprocessor(toy_batch(), training=True)
    step = twin.begin_step(data)
    with step.opened(('source', 'target')):
        mine = [twin.objectives[name].losses(step) for name in twin.objectives]
        theirs = [
            twin.objectives[f'adv_{head}'].discriminator_losses(step) for head in ('aux', 'decode')
        ]
    for losses, part in ((mine, 'segmentor'), (theirs, 'discriminators')):
        total = sum(v for each in losses for key, v in each.items() if 'loss' in key)
        names, parameters = zip(*twin.parts()[part].named_parameters(), strict=True)
        grads = torch.autograd.grad(total / 2, parameters, retain_graph=True)
        ours = dict(adaptor.parts()[part].named_parameters())
        for name, grad in zip(names, grads, strict=True):
            assert gap(ours[name].grad, grad) <= 1e-12, name
        assert max(grad.abs().max() for grad in grads) > 1e-4
