"""MIC on every kind of host against the sum of their plain iterations, by stages and summed."""

import copy

import pytest
from builders import SUPERVISION, adaptsegnet, build_wrappers, gap, state_gap
from literal import LiteralDACS, LiteralTaughtAdaptSegNet, LiteralTaughtMinEnt
from taught_builders import MASK, MIX, alike, build, drawn_by

from mmseg_da.errors import UserError
from mmseg_da.models import TargetEntropy
from mmseg_da.registry import MODELS
from mmseg_da.testing import counted_forwards, toy_adaptor, toy_optim_wrapper, toy_pspnet

LR, TOLERANCE = 1e-3, 1e-12
ENTROPY = dict(
    ent_aux=dict(type='TargetEntropy', head='aux', loss_weight=0.05),
    ent_decode=dict(type='TargetEntropy', loss_weight=0.1),
)
ADVENT = {k: v for k, v in adaptsegnet(of='entropy').items() if k != 'seg'}
HOSTS = dict(
    source_only={},
    adaptsegnet={k: v for k, v in adaptsegnet().items() if k != 'seg'},
    advent=ADVENT,
    minent=ENTROPY,
    dacs=dict(mix=MIX),
)
FORWARDS = dict(source_only=2, adaptsegnet=3, advent=3, minent=3, dacs=3)  # of the student
MODES = dict(
    target=dict(),
    target_alone=dict(augment=False),
    source=dict(images='source'),
    source_alone=dict(images='source', augment=False),
    both=dict(images='both'),
    both_alone=dict(images='both', augment=False),  # Cityscapes to ACDC in the paper
)


def wrappers(adaptor):
    cfg = toy_optim_wrapper(rivals='discriminators' in adaptor.parts())
    cfg['segmentor']['optimizer']['lr'] = LR
    return build_wrappers(adaptor, cfg)


def literal_of(adaptor, kind=None, **settings):
    """The plain iteration of a copy of the adaptor."""
    clone = copy.deepcopy(adaptor)
    objectives = clone.objectives
    taught = dict(alpha=0.9, threshold=0.4, draws=drawn_by(clone), lr=LR, aux_weight=0.4)
    taught |= dict(mix='mix' in objectives, mask=(0.7, 16), whole_batch=True) | settings
    rivals = {each.head: each for each in objectives.values() if each.discriminator is not None}
    levels = {
        each.head: each.loss_weight
        for each in objectives.values()
        if isinstance(each, TargetEntropy)
    }
    if rivals:
        return clone, LiteralTaughtAdaptSegNet(
            clone.segmentor,
            {name: each.discriminator for name, each in rivals.items()},
            {name: each.loss_weight for name, each in rivals.items()},
            of=next(iter(rivals.values())).of,
            **taught,
        )
    if levels:
        return clone, LiteralTaughtMinEnt(clone.segmentor, levels, **taught)
    return clone, (kind or LiteralDACS)(clone.segmentor, **taught)


def assert_equal(adaptor, clone, literal):
    assert state_gap(adaptor.segmentor, literal.net) <= TOLERANCE  # BN's statistics, too
    assert state_gap(adaptor.teacher.net, literal.teacher.net) <= TOLERANCE
    assert state_gap(adaptor.segmentor, adaptor.teacher.net) > 1e-5
    for name, part in adaptor.parts().items():
        assert state_gap(part, clone.parts()[name]) <= TOLERANCE


@pytest.mark.parametrize('backward', ['stages', 'summed'])
@pytest.mark.parametrize('host', HOSTS)
def test_it_equals_the_sum_of_its_host_and_the_masked_term(host, backward):
    adaptor = build(HOSTS[host] | dict(mask=MASK), backward=backward).double()
    clone, literal = literal_of(adaptor)
    own = wrappers(adaptor)
    for step in range(3):
        with (
            counted_forwards(adaptor.segmentor.backbone) as student,
            counted_forwards(adaptor.teacher.net.backbone) as teacher,
        ):
            logs = adaptor.train_step(alike(seed=step), own)
        assert (student.value, teacher.value) == (FORWARDS[host], 1)
        theirs = literal.step(alike(seed=step))
        assert logs['mask.decode.loss_ce'].item() == pytest.approx(theirs['mask'], rel=1e-9)
    assert_equal(adaptor, clone, literal)


@pytest.mark.parametrize('mode', MODES)
def test_every_mode_equals_the_paper(mode):
    adaptor = build(dict(mask=MASK | MODES[mode])).double()
    images = MODES[mode].get('images', 'target')
    clone, literal = literal_of(adaptor, masked_images=images)
    own = wrappers(adaptor)
    for step in range(3):
        logs = adaptor.train_step(alike(seed=step), own)
        theirs = literal.step(alike(seed=step))
        assert logs['mask.decode.loss_ce'].item() == pytest.approx(theirs['mask'], rel=1e-9)
    assert_equal(adaptor, clone, literal)


@pytest.mark.parametrize('wrong', [dict(mask=(0.6, 16)), dict(masked_images='both')])
def test_another_setting_on_one_side_shows(wrong):
    adaptor = build(dict(mask=MASK)).double()
    _, literal = literal_of(adaptor, **wrong)
    adaptor.train_step(alike(), wrappers(adaptor))
    literal.step(alike())
    assert state_gap(adaptor.segmentor, literal.net) > 1e-8


def test_stages_hand_on_the_gradients_that_the_sum_does():
    objectives = ADVENT | dict(mix=MIX, mask=MASK)
    found = []
    for backward in ('stages', 'summed'):
        adaptor = build(objectives, backward=backward).double()
        assert len(adaptor.phases()[0].stages) == (4 if backward == 'stages' else 1)
        kept = toy_optim_wrapper(accumulative_counts=2)  # so that they are there afterwards
        adaptor.train_step(alike(), build_wrappers(adaptor, kept))
        found.append(adaptor)
    gradients = [{n: p.grad for n, p in each.segmentor.named_parameters()} for each in found]
    for name, value in gradients[0].items():
        assert gap(value, gradients[1][name]) <= TOLERANCE, name


class AlternatingMask(LiteralDACS):
    """An update after the source's cross-entropy, and one after the masked term."""

    def after_source(self, batch):
        self.sgd.step()
        self.sgd.zero_grad()
        return super().after_source(batch)


def test_an_alternating_host_updates_for_it_apart():
    adaptor = build(dict(mask=MASK), type='AlternatingAdaptor').double()
    clone, literal = literal_of(adaptor, AlternatingMask)
    own = wrappers(adaptor)
    for step in range(3):
        adaptor.train_step(alike(seed=step), own)
        literal.step(alike(seed=step))
    assert adaptor.teacher.steps == 3
    assert_equal(adaptor, clone, literal)


@pytest.mark.parametrize(('name', 'term'), [('mask', MASK), ('mix', MIX)])
def test_joint_training_refuses_it(name, term):
    networks = dict(
        generator=dict(type='ResnetGenerator', blocks=1, channels=4),
        discriminator=dict(type='PatchDiscriminator', channels=4, layers=1),
    )
    objectives = dict(seg=SUPERVISION) | {name: term}
    cfg = toy_adaptor(toy_pspnet(), objectives, translator=networks, teacher=dict(alpha=0.9))
    with pytest.raises(UserError, match=f'objectives.{name}: JointAdaptor takes objectives of one'):
        MODELS.build(cfg | dict(type='JointAdaptor'))
