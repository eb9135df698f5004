"""MinEnt and the class-ratio prior: values, directions, and mistakes by name."""

import math

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers
from test_no_host_sync import waits
from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.testing import toy_batch, toy_optim_wrapper, toy_segformer

ENTROPY, RATIO = dict(type='TargetEntropy'), dict(type='ClassPrior')
SHARES = [0.7, 0.2, 0.1, 0.0]


def adapt(segmentor=None, **objectives):
    return build_adaptor(dict(seg=SUPERVISION, **objectives), segmentor)


def step_of(adaptor, **batch):
    return adaptor.begin_step(adaptor.data_preprocessor(toy_batch(**batch), training=True))


def losses_of(adaptor, name, **batch):
    step = step_of(adaptor, **batch)
    with step.opened(('target',)):
        return adaptor.objectives[name].losses(step)


def always(adaptor, scores):
    """Let the main head give these scores everywhere."""
    conv = adaptor.segmentor.decode_head.conv_seg
    nn.init.zeros_(conv.weight)
    conv.bias.data = torch.tensor(scores, dtype=torch.float)
    return adaptor


@pytest.mark.parametrize(
    ('scores', 'expected'),
    [([0.0, 0.0, 0.0, 0.0], 1.0), ([90.0, 0, 0, 0], 0.0), ([0.0, 0.0, -90.0, -90.0], 0.5)],
)
@pytest.mark.parametrize('settings', [dict(), dict(resize=None), dict(share=0.3)])
def test_golden_values(scores, expected, settings):
    adaptor = always(adapt(ent=ENTROPY | dict(loss_weight=1.0) | settings), scores)
    assert losses_of(adaptor, 'ent')['loss_ent'].item() == pytest.approx(expected, abs=1e-6)


def test_the_sum_is_of_an_images_pixels():
    adaptor = always(adapt(ent=ENTROPY | dict(reduction='sum', loss_weight=1e-3)), [0.0] * 4)
    for num in (2, 3):
        loss = losses_of(adaptor, 'ent', num=num)['loss_ent']
        assert loss.item() == pytest.approx(48 * 80 * 1e-3, rel=1e-5)


def test_it_makes_the_target_certain():
    adaptor = build_adaptor(dict(ent=ENTROPY | dict(loss_weight=1.0)))
    adaptor.segmentor.decode_head.conv_seg.bias.data[0] = 1.0  # alike, they have no gradient
    wrapper = build_wrappers(adaptor)
    logs = [adaptor.train_step(toy_batch(), wrapper)['ent.loss_ent'] for _ in range(10)]
    assert logs[-1] < 0.8 * logs[0]


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(penalty='huber'), "penalty='huber' is none of .*'charbonnier'"),
        (dict(resize='target'), "resize='target' is none of .*'image'"),
        (dict(reduction='none'), "reduction='none' is none of .*'mean', 'sum'"),
        (dict(eta=0), 'eta=0 must be positive'),
        (dict(epsilon=-1e-8), 'epsilon=-1e-08 must be positive'),
        (dict(share=0), r'share=0 must be in \(0, 1\]'),
        (dict(share=30), r'share=30 must be in \(0, 1\]'),
        (dict(head='aux_0'), r"TargetEntropy: the segmentor has no head 'aux_0', only .*'decode'"),
    ],
)
def test_a_mistake_is_named_when_building(settings, message):
    with pytest.raises(UserError, match=message):
        adapt(ent=ENTROPY | settings)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(mu=0), r'mu=0 must be in \(0, 1\]'),
        (dict(mu=1.5), r'mu=1.5 must be in \(0, 1\]'),
        (dict(prior=[0.5, 0.6, 0.1, 0.0]), 'sum to 1, not to 1.2'),
        (dict(prior=[1.5, -0.5, 0.0, 0.0]), 'sum to 1'),
        (dict(prior=[]), 'sum to 1'),
        (dict(prior=['a', 'b']), r"prior=\['a', 'b'\] must be a list of numbers"),
        (dict(prior=0.5), r'prior=0\.5 must be a list of numbers'),
        (dict(prior='0.5'), "prior='0.5' must be a list of numbers"),
        (dict(prior=[math.nan, 0.5, 0.5, 0.0]), 'must be a list of numbers'),
        (dict(prior=[math.inf, 0.5, 0.5, 0.0]), 'must be a list of numbers'),
        (dict(prior=[None, True]), 'must be a list of numbers'),
        (dict(prior=[0.5, 0.5]), 'prior has 2 shares, but the decode head has 4 classes'),
        (dict(head='neck'), "ClassPrior: the segmentor has no head 'neck'"),
    ],
)
def test_a_mistake_in_a_prior_is_named(settings, message):
    with pytest.raises(UserError, match=message):
        adapt(ratio=RATIO | settings)


@pytest.mark.parametrize('objective', [ENTROPY, RATIO])
def test_one_channel_has_no_distribution(objective):
    segmentor = toy_segformer()
    segmentor['decode_head'].update(
        num_classes=2, out_channels=1, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True)
    )
    with pytest.raises(UserError, match=r'needs two channels or more, .*out_channels=2'):
        adapt(segmentor, own=objective)


def test_a_prior_asks_for_what_is_missing():
    adaptor = adapt(ratio=RATIO | dict(mu=0.5, prior=SHARES, loss_weight=2.0))
    always(adaptor, [0.0] * 4)  # a quarter of every class: 0.1 of the first are missing
    assert losses_of(adaptor, 'ratio')['loss_prior'].item() == pytest.approx(0.2, abs=1e-6)
    always(adaptor, [-90.0, 0.0, 0.0, 0.0])
    assert losses_of(adaptor, 'ratio')['loss_prior'].item() == pytest.approx(0.7, abs=1e-6)
    always(adaptor, [math.log(3), 0.0, 0.0, 0.0])  # a half of the first: enough of all
    assert losses_of(adaptor, 'ratio')['loss_prior'].item() == 0.0


def test_ratios_are_counted_over_the_iterations():
    adaptor = adapt(ratio=RATIO)
    wrappers, labels = build_wrappers(adaptor), []
    for seed in range(3):
        batch = toy_batch(seed=seed)
        labels += [s.gt_sem_seg.data.clone() for s in batch['source']['data_samples']]
        adaptor.train_step(batch, wrappers)
    seen = torch.stack(labels)
    expected = torch.bincount(seen[seen != 255], minlength=4)
    assert torch.equal(adaptor.objectives['ratio'].counts, expected)
    assert 'objectives.ratio.counts' in adaptor.state_dict()


def test_images_without_labels_ask_for_nothing():
    adaptor = adapt(ratio=RATIO)
    batch = toy_batch()
    for sample in batch['source']['data_samples']:
        sample.gt_sem_seg.data.fill_(255)
    step = adaptor.begin_step(adaptor.data_preprocessor(batch, training=True))
    with step.opened(('target',)):
        assert adaptor.objectives['ratio'].losses(step)['loss_prior'] == 0


@pytest.mark.parametrize('backward', ['stages', 'summed'])
@pytest.mark.parametrize(
    'objective', [ENTROPY, ENTROPY | dict(share=0.3, penalty='charbonnier'), RATIO]
)
def test_no_step_waits_for_the_device(objective, backward):
    assert waits(dict(seg=SUPERVISION, own=objective), backward=backward).ours == []


@pytest.mark.parametrize(
    'objective', [ENTROPY, ENTROPY | dict(share=0.3, penalty='charbonnier'), RATIO]
)
def test_losses_are_in_float32_under_mixed_precision(objective):
    logs = {}
    for kind in ('OptimWrapper', 'AmpOptimWrapper'):
        adaptor = adapt(own=objective | dict(loss_weight=1.0))
        wrappers = build_wrappers(adaptor, toy_optim_wrapper(rivals=False, type=kind))
        logs[kind] = adaptor.train_step(toy_batch(), wrappers)
    plain, amp = ({k: v for k, v in each.items() if 'own.loss' in k} for each in logs.values())
    assert len(amp) == 1
    for key, value in amp.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, plain[key], rtol=0.02, atol=1e-3)
