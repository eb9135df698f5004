"""JointAdaptor against one loss in plain torch: translation, segmentation and alignment."""

import copy

import pytest
import torch
import torch.nn.functional as F
from builders import SUPERVISION, build_adaptor, build_wrappers, state_gap

from mmseg_da.errors import UserError
from mmseg_da.testing import (
    counted_forwards,
    toy_alignment,
    toy_batch,
    toy_optim_wrapper,
    toy_preprocessor,
    toy_pspnet,
)

MEAN, STD = torch.tensor([128.0, 112.0, 96.0]), torch.tensor([64.0, 64.0, 32.0])
LR = dict(networks=0.01, discriminators=0.02)


def translator(**settings):
    return (
        dict(
            generator=dict(type='ResnetGenerator', blocks=1, channels=4),
            discriminator=dict(type='PatchDiscriminator', channels=4, layers=1),
            pool_size=0,
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
    parts = {name: dict(optimizer=dict(type='SGD', lr=lr)) for name, lr in LR.items()}
    return build_wrappers(model, dict(constructor='PartwiseOptimWrapperConstructor') | parts)


class Literal:
    """loss_seg + loss_adv + loss_cyc, all of it in one backward."""

    def __init__(self, model):
        self.net, self.cycle = model.segmentor, model.cycle
        self.rival = model.objectives['adv'].discriminator
        parts = model.parts()
        self.sgd = {n: torch.optim.SGD(parts[n].parameters(), lr=lr) for n, lr in LR.items()}

    def scores(self, images):
        feats = self.net.backbone(images)
        heads = (self.net.decode_head, self.net.auxiliary_head)
        return [F.interpolate(h(feats), images.shape[-2:], mode='bilinear') for h in heads]

    def seen(self, unit):
        pixels = (unit + 1) * 127.5
        return (pixels - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)

    def step(self, batch):
        source, target = (
            torch.stack(batch[d]['inputs']).flip(1).double() / 127.5 - 1
            for d in ('source', 'target')
        )
        labels = torch.cat([s.gt_sem_seg.data for s in batch['source']['data_samples']])
        there, back = (self.cycle.generators[k] for k in ('source_to_target', 'target_to_source'))
        judge = self.cycle.discriminators
        self.sgd['networks'].zero_grad()
        as_target, as_source = there(source), back(target)
        loss = ((judge['target'](as_target) - 1) ** 2).mean()
        loss = loss + ((judge['source'](as_source) - 1) ** 2).mean()
        loss = loss + 10 * (back(as_target) - source).abs().mean()
        loss = loss + 10 * (there(as_source) - target).abs().mean()
        loss = loss + 5 * (back(source) - source).abs().mean()
        loss = loss + 5 * (there(target) - target).abs().mean()
        if self.cycle.semantics is not None:
            for real, fake in ((source, as_target), (target, as_source)):
                before = self.cycle.semantics.logits(real).argmax(1)
                loss = loss + F.cross_entropy(self.cycle.semantics.logits(fake), before)
        main, aux = self.scores(self.seen(as_target))
        loss = loss + F.cross_entropy(main, labels, ignore_index=255)
        loss = loss + 0.4 * F.cross_entropy(aux, labels, ignore_index=255)
        shown_source = main.detach().softmax(1)
        shown_target = self.scores(self.seen(target))[0].softmax(1)
        fooled = self.rival(shown_target)
        loss = loss + 0.1 * F.binary_cross_entropy_with_logits(fooled, torch.zeros_like(fooled))
        loss.backward()
        self.sgd['networks'].step()

        self.sgd['discriminators'].zero_grad()
        rivals = 0.0
        for name, real, fake in (
            ('target', target, as_target.detach()),
            ('source', source, as_source.detach()),
        ):
            right = ((judge[name](real) - 1) ** 2).mean() + (judge[name](fake) ** 2).mean()
            rivals = rivals + right / 2
        for shown, label in ((shown_source, 0.0), (shown_target.detach(), 1.0)):
            verdict = self.rival(shown)
            label = torch.full_like(verdict, label)
            rivals = rivals + F.binary_cross_entropy_with_logits(verdict, label) / 2
        rivals.backward()
        self.sgd['discriminators'].step()
        return dict(networks=loss.item(), discriminators=rivals.item())


@pytest.mark.stack
@pytest.mark.parametrize('backward', ['stages', 'summed'])
@pytest.mark.parametrize('extra', [{}, dict(semantics=semantics())], ids=['plain', 'semantic'])
@pytest.mark.parametrize('steps', [1, 10])
def test_it_is_one_loss(steps, extra, backward):
    model = build(backward=backward, **extra).double()
    wrappers, clone = wrappers_of(model), copy.deepcopy(model)
    literal = Literal(clone)
    for seed in range(steps):
        logs = model.train_step(toy_batch(seed=seed), wrappers)
        theirs = literal.step(toy_batch(seed=seed))
        for phase, value in theirs.items():
            assert logs[f'{phase}.loss'].item() == pytest.approx(value, rel=1e-9)
    assert state_gap(model, clone) <= 1e-10


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
