"""Output alignment: its mistakes by name, and the defaults that follow from the segmentor."""

import pytest
import torch
from builders import SUPERVISION, build_adaptor

from mmseg_da.errors import UserError
from mmseg_da.testing import toy_alignment, toy_batch, toy_segformer

RIVAL = dict(type='PixelDiscriminator', channels=4, num_convs=2)


def align(segmentor=None, **settings):
    cfg = dict(seg=SUPERVISION, adv=toy_alignment(**settings))
    return build_adaptor(cfg, segmentor).objectives['adv']


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(of='probabilities'), "of='probabilities' .*'softmax'.*'features'"),
        (dict(kind='wgan'), "kind='wgan' .*'vanilla', 'lsgan'"),
        (dict(resize='feature'), "resize='feature'"),
        (dict(head='aux_0'), r"no head 'aux_0', only \['aux', 'decode'\]"),
        (dict(of='features', discriminator=RIVAL), 'in_channels.*feature level -1'),
    ],
)
def test_a_mistake_is_named_when_building(settings, message):
    with pytest.raises(UserError, match=message):
        align(**settings)


def test_a_segmentor_without_auxiliary_head_has_none_to_align():
    with pytest.raises(UserError, match=r"no head 'aux', only \['decode'\]"):
        align(toy_segformer(), head='aux')


def test_the_rival_takes_the_heads_number_of_classes():
    assert align().discriminator[0].in_channels == 4
    segmentor = toy_segformer()
    segmentor['decode_head']['num_classes'] = 7
    assert align(segmentor).discriminator[0].in_channels == 7


@pytest.mark.parametrize('of', ['softmax', 'entropy'])
def test_one_channel_has_no_distribution_to_align(of):
    segmentor = toy_segformer()
    segmentor['decode_head'].update(
        num_classes=2, out_channels=1, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True)
    )
    with pytest.raises(UserError, match=f"of='{of}' needs two channels.*the decode head has one"):
        align(segmentor, of=of)
    assert align(segmentor, of='logits').discriminator[0].in_channels == 1


def seen_by(objective, step) -> torch.Size:
    shapes = []
    handle = objective.discriminator.register_forward_pre_hook(
        lambda _, inputs: shapes.append(inputs[0].shape)
    )
    objective.discriminator_losses(step)
    handle.remove()
    return shapes


@pytest.mark.parametrize(
    ('settings', 'source', 'target'),
    [
        (dict(), (4, 64, 64), (4, 48, 80)),
        (dict(resize=None, discriminator=RIVAL), (4, 8, 8), (4, 6, 10)),
        (
            dict(of='features', discriminator=RIVAL | dict(in_channels=32)),
            (32, 8, 8),
            (32, 6, 10),
        ),
        (
            dict(of='features', level=0, discriminator=RIVAL | dict(in_channels=4)),
            (4, 16, 16),
            (4, 12, 20),
        ),
        (
            dict(of='features', resize='image', discriminator=RIVAL | dict(in_channels=32)),
            (32, 64, 64),
            (32, 48, 80),
        ),
    ],
)
def test_score_maps_are_judged_at_image_size_and_features_at_their_own(settings, source, target):
    adaptor = build_adaptor(dict(seg=SUPERVISION, adv=toy_alignment(**settings)))
    step = adaptor.begin_step(adaptor.data_preprocessor(toy_batch(), training=True))
    assert seen_by(adaptor.objectives['adv'], step) == [(2, *source), (2, *target)]


def test_the_rivals_loss_is_half_a_sum_and_not_weighted():
    losses = []
    for weight in (1.0, 100.0):
        adaptor = build_adaptor(dict(seg=SUPERVISION, adv=toy_alignment(loss_weight=weight)))
        objective = adaptor.objectives['adv']
        torch.nn.init.zeros_(objective.discriminator[-1].weight)
        torch.nn.init.zeros_(objective.discriminator[-1].bias)
        step = adaptor.begin_step(adaptor.data_preprocessor(toy_batch(), training=True))
        losses.append(objective.discriminator_losses(step))
    for each in losses:
        assert each['loss_source'].item() == pytest.approx(0.693147 / 2, abs=1e-6)
        assert each['loss_target'].item() == pytest.approx(0.693147 / 2, abs=1e-6)


@pytest.mark.parametrize('says', ['source', 'target'])
def test_the_rivals_accuracy_is_the_share_of_right_verdicts(says):
    adaptor = build_adaptor(dict(seg=SUPERVISION, adv=toy_alignment()))
    objective = adaptor.objectives['adv']
    torch.nn.init.zeros_(objective.discriminator[-1].weight)
    torch.nn.init.constant_(objective.discriminator[-1].bias, 3.0 if says == 'target' else -3.0)
    step = adaptor.begin_step(adaptor.data_preprocessor(toy_batch(), training=True))
    found = objective.discriminator_losses(step)
    for domain in ('source', 'target'):
        assert found[f'accuracy_{domain}'].item() == float(domain == says)


def test_the_segmentors_loss_is_weighted():
    fooling = []
    for weight in (1.0, 0.25):
        adaptor = build_adaptor(dict(seg=SUPERVISION, adv=toy_alignment(loss_weight=weight)))
        step = adaptor.begin_step(adaptor.data_preprocessor(toy_batch(), training=True))
        with step.opened(('target',)):
            fooling.append(adaptor.objectives['adv'].losses(step)['loss_fool'].item())
    assert fooling[1] == pytest.approx(0.25 * fooling[0])


def test_a_discriminator_that_is_too_deep_names_the_size_and_the_remedy():
    cfg = dict(of='features', discriminator=RIVAL | dict(in_channels=32, num_convs=4))
    adaptor = build_adaptor(dict(seg=SUPERVISION, adv=toy_alignment(**cfg)))
    step = adaptor.begin_step(adaptor.data_preprocessor(toy_batch(), training=True))
    with pytest.raises(UserError, match=r'PixelDiscriminator.* 8x8 .*num_convs.*crop'):
        adaptor.objectives['adv'].discriminator_losses(step)


def test_another_failure_of_a_discriminator_passes():
    cfg = dict(of='features', discriminator=RIVAL | dict(in_channels=7))
    adaptor = build_adaptor(dict(seg=SUPERVISION, adv=toy_alignment(**cfg)))
    step = adaptor.begin_step(adaptor.data_preprocessor(toy_batch(), training=True))
    with pytest.raises(RuntimeError, match='channels'):
        adaptor.objectives['adv'].discriminator_losses(step)
