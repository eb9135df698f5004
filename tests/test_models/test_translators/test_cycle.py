"""CycleTranslator against the papers' iteration in plain torch, and term by term."""

import pytest
import torch
from builders import gap, snapshot, state_gap
from cycle_builders import (
    DISCRIMINATOR,
    build_cycle_wrappers,
    build_literal,
    build_translator,
    semantics,
)

from mmseg_da.errors import UserError
from mmseg_da.testing import counted_forwards, toy_batch, toy_preprocessor

NETWORKS = ('generators', 'discriminators')


def forwards_per_iteration(model, batch=None):
    wrappers = build_cycle_wrappers(model)
    generators = list(model.generators.values())
    with counted_forwards(generators[0]) as one, counted_forwards(generators[1]) as other:
        model.train_step(batch or toy_batch(), wrappers)
    return one.value + other.value


def run_both(steps, dtype, **settings):
    """Train the product and the literal from the same weights, with the same draws."""
    model = build_translator(**settings).to(dtype)
    wrappers = build_cycle_wrappers(model)
    literal, clone = build_literal(model)
    for seed in range(steps):
        torch.manual_seed(seed)
        logs = model.train_step(toy_batch(seed=seed), wrappers)
        torch.manual_seed(seed)
        theirs = literal.step(toy_batch(seed=seed))
        for phase in NETWORKS:
            assert logs[f'{phase}.loss'].item() == pytest.approx(theirs[phase], rel=1e-4)
    return model, wrappers, literal, clone


@pytest.mark.stack
@pytest.mark.parametrize('backward', ['stages', 'summed'])
# Adam blows up the rounding of biases whose gradient is zero, as normalisation follows.
@pytest.mark.parametrize(('steps', 'tolerance'), [(1, 1e-12), (10, 1e-9)])
@pytest.mark.parametrize('extra', [{}, dict(semantics=semantics())], ids=['plain', 'semantic'])
def test_it_is_the_iteration_of_the_paper(steps, tolerance, backward, extra):
    before = snapshot(build_translator(**extra).double())
    model, wrappers, literal, clone = run_both(steps, torch.float64, backward=backward, **extra)
    for name in NETWORKS:
        assert state_gap(getattr(model, name), getattr(clone, name)) <= tolerance
    for domain, pool in (('target', literal.pool_target), ('source', literal.pool_source)):
        assert (
            gap(model.pools[domain].images[: len(pool.images)], torch.stack(pool.images))
            <= tolerance
        )
    for name, theirs in (('generators', literal.adam_g), ('discriminators', literal.adam_d)):
        mine = wrappers[name].optimizer.state
        pairs = zip(
            getattr(model, name).parameters(), getattr(clone, name).parameters(), strict=True
        )
        for p, q in pairs:
            for key in ('step', 'exp_avg', 'exp_avg_sq'):
                assert gap(mine[p][key], theirs.state[q][key]) <= tolerance
    moved = {
        key.split('.')[0]
        for key, value in model.state_dict().items()
        if 'pools' not in key and not torch.equal(value, before[key])
    }
    assert moved == set(NETWORKS)  # and not the frozen segmentor


@pytest.mark.parametrize(('steps', 'tolerance'), [(1, 1e-5), (10, 5e-3)])
def test_it_is_the_same_in_single_precision(steps, tolerance):
    """By outputs, which do not know of those biases."""
    model, _, _, clone = run_both(steps, torch.float32)
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    for name in model.generators:
        assert gap(model.generators[name](image), clone.generators[name](image)) <= tolerance


@pytest.mark.parametrize(
    ('settings', 'forwards'),
    [({}, 6), (dict(identity_weight=0), 4), (dict(identity_weight=0, cycle_weight=0), 2)],
)
def test_a_weight_of_zero_costs_no_forward(settings, forwards):
    assert forwards_per_iteration(build_translator(**settings)) == forwards


@pytest.mark.parametrize(
    ('settings', 'seen'),
    [
        (dict(), 4),
        (dict(direction='source'), 2),
        (dict(target='gt', direction='source'), 1),
        (dict(weight=0), 0),
    ],
)
def test_the_segmentor_looks_only_where_it_counts(settings, seen):
    model = build_translator(semantics=semantics(**settings))
    with counted_forwards(model.semantics.segmentor.backbone) as count:
        forwards_per_iteration(model)
    assert count.value == seen


def test_the_frozen_segmentor_gets_no_gradient_and_stays_in_inference():
    model = build_translator(semantics=semantics())
    assert set(model.parts()) == set(NETWORKS)
    model.train_step(toy_batch(), build_cycle_wrappers(model))
    assert not model.semantics.segmentor.training
    assert all(p.grad is None for p in model.semantics.parameters())


def test_discriminators_get_no_gradient_of_the_generators():
    """compatibility: one backward must not leave its gradient for the next optimizer."""
    free = build_translator(gan_weight=0.0)
    adversarial = build_translator(gan_weight=100.0)
    for model in (free, adversarial):
        torch.manual_seed(1)
        model.train_step(toy_batch(), build_cycle_wrappers(model))
    assert state_gap(free.discriminators, adversarial.discriminators) == 0.0
    assert state_gap(free.generators, adversarial.generators) > 1e-5


def test_a_joint_segmentor_opens_its_gate_when_it_is_good():
    model = build_translator(semantics=semantics(frozen=False, gate=1.0, target='gt'))
    assert list(model.parts()) == [*NETWORKS, 'classifier']
    wrappers = build_cycle_wrappers(model)
    first = model.train_step(toy_batch(), wrappers)
    assert first['source.loss_semantic'] == 0  # the first iteration knows no loss yet
    assert first['classifier.loss'] > 1
    assert model.semantics.last_loss == first['classifier.loss']
    model.semantics.last_loss.fill_(0.5)
    assert model.train_step(toy_batch(), wrappers)['source.loss_semantic'] > 0
    model.semantics.last_loss.fill_(1.5)
    assert model.train_step(toy_batch(), wrappers)['target.loss_semantic'] == 0


def test_each_direction_may_weigh_its_adversary():
    even, uneven = build_translator(), build_translator(gan_weight=dict(source=2.0, target=1.0))
    one, other = (m.train_step(toy_batch(), build_cycle_wrappers(m)) for m in (even, uneven))
    assert other['source.loss_gan'] == 2 * one['source.loss_gan']
    assert other['target.loss_gan'] == one['target.loss_gan']


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(gan='hinge'), r"gan='hinge' is neither"),
        (dict(gan_weight=dict(source=1.0)), r"gan_weight=\{'source': 1.0\} needs"),
        (dict(backward='twice'), r"'twice'"),
        (dict(data_preprocessor=toy_preprocessor()), r'RGB in \[-1, 1\].*127\.5'),
        (dict(semantics=semantics(target='best')), r"target='best'"),
        (dict(semantics=semantics(gate=1.0)), 'has no loss to wait for'),
    ],
)
def test_what_cannot_work_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        build_translator(**settings)


def test_ground_truth_without_labels_is_refused():
    model = build_translator(semantics=semantics(target='gt'))
    batch = toy_batch()
    for sample in batch['source']['data_samples']:
        del sample.gt_sem_seg
    with pytest.raises(UserError, match='LoadAnnotations'):
        model.train_step(batch, build_cycle_wrappers(model))


def test_it_predicts_no_classes():
    model = build_translator(discriminator=DISCRIMINATOR)
    with pytest.raises(UserError, match='predicts no classes'):
        model(torch.zeros(1, 3, 32, 32), mode='predict')
    assert model(torch.zeros(1, 3, 32, 32)).abs().max() <= 1
