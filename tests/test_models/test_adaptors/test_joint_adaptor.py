"""JointAdaptor against one loss in plain torch: translation, segmentation and alignment."""

import copy

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers, state_gap
from literal import LiteralJoint, LiteralSegmentor
from literal.adaptsegnet import bce

from mmseg_da.errors import UserError
from mmseg_da.testing import (
    counted_forwards,
    toy_alignment,
    toy_batch,
    toy_optim_wrapper,
    toy_preprocessor,
    toy_pspnet,
)

LR, POOL = 2e-4, 3


def translator(**settings):
    return (
        dict(
            generator=dict(type='ResnetGenerator', blocks=1, channels=4),
            discriminator=dict(type='PatchDiscriminator', channels=4, layers=1),
            pool_size=POOL,
        )
        | settings
    )


def semantics():
    return dict(segmentor=toy_pspnet('GN'), data_preprocessor=toy_preprocessor())


def build(objectives=None, backward='stages', **settings):
    objectives = objectives or dict(seg=SUPERVISION, adv=toy_alignment())
    return build_adaptor(
        objectives,
        toy_pspnet(),
        type='JointAdaptor',
        translator=translator(**settings),
        backward=backward,
    )


def wrappers_of(model):
    adam = dict(optimizer=dict(type='Adam', lr=LR, betas=(0.5, 0.999)))
    slower = dict(paramwise_cfg=dict(custom_keys=dict(segmentor=dict(lr_mult=1 / 8))))
    parts = dict(networks=adam | slower, discriminators=adam)
    return build_wrappers(model, dict(constructor='PartwiseOptimWrapperConstructor') | parts)


def build_literal(model):
    """The plain iteration on a copy of a model's networks; gives both."""
    clone = copy.deepcopy(model)
    cycle = clone.cycle
    literal = LiteralJoint(
        LiteralSegmentor(clone.segmentor, aux_weight=0.4),
        clone.objectives['adv'].discriminator,
        *(cycle.generators[key] for key in ('source_to_target', 'target_to_source')),
        *(cycle.discriminators[key] for key in ('target', 'source')),
        weight=0.1,
        of='softmax',
        call=lambda verdict, is_source: bce(verdict, 1 - is_source),
        pool_size=POOL,
        see=None if cycle.semantics is None else LiteralSegmentor(cycle.semantics.segmentor).see,
        lr=LR,
    )
    return literal, clone


@pytest.mark.stack
@pytest.mark.parametrize('backward', ['stages', 'summed'])
@pytest.mark.parametrize('extra', [{}, dict(semantics=semantics())], ids=['plain', 'semantic'])
@pytest.mark.parametrize('steps', [1, 10])
def test_it_is_one_loss(steps, extra, backward):
    model = build(backward=backward, **extra).double()
    wrappers = wrappers_of(model)
    literal, clone = build_literal(model)
    for seed in range(steps):
        torch.manual_seed(seed)
        logs = model.train_step(toy_batch(seed=seed), wrappers)
        torch.manual_seed(seed)
        theirs = literal.step(toy_batch(seed=seed))
        for phase, value in theirs.items():
            assert logs[f'{phase}.loss'].item() == pytest.approx(value, rel=1e-9)
    for name, part in model.parts().items():
        assert state_gap(part, clone.parts()[name]) <= 1e-9


def test_the_generator_learns_from_the_segmentor():
    """Without any term of its own, it moves by the labels alone."""
    model = build(gan_weight=0.0, cycle_weight=0.0, identity_weight=0.0)
    before = copy.deepcopy(model.cycle.generators)
    model.train_step(toy_batch(), wrappers_of(model))
    moved = {n: state_gap(model.cycle.generators[n], before[n]) for n in before}
    assert moved['source_to_target'] > 0
    assert moved['target_to_source'] == 0


def test_each_network_runs_as_often_as_it_must():
    model = build()
    generators = list(model.cycle.generators.values())
    with (
        counted_forwards(model.segmentor.backbone) as segmentor,
        counted_forwards(generators[0]) as one,
        counted_forwards(generators[1]) as other,
    ):
        model.train_step(toy_batch(), wrappers_of(model))
    assert (segmentor.value, one.value + other.value) == (2, 6)


def test_it_predicts_as_the_segmentor():
    model = build().eval()
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(model(images), model.segmentor(images))


@pytest.mark.parametrize('name', ['source', 'target'])
def test_the_translators_names_are_taken(name):
    with pytest.raises(UserError, match=rf'objectives\.{name}: .*not named source or target'):
        build({name: SUPERVISION})


def test_parts_without_an_optimizer_are_told():
    model = build()
    with pytest.raises(UserError, match='networks'):
        build_wrappers(model, toy_optim_wrapper())


@pytest.mark.parametrize('domain', ['source', 'target'])
def test_images_that_were_padded_are_told(domain):
    """The generator would learn to draw the border."""
    model = build()
    size = {f'{domain}_size': (40, 60)}
    with pytest.raises(UserError, match=rf'a {domain} image: is 40 x 60 .* smaller than the \d+ x'):
        model.train_step(toy_batch(**size), wrappers_of(model))
    model.train_step(toy_batch(), wrappers_of(model))
