"""Source supervision: the segmentor's own losses, weighted once."""

import copy

import pytest
import torch
from builders import SUPERVISION, adaptsegnet, build_adaptor

from mmseg_da.structures import heads_of
from mmseg_da.testing import toy_alignment, toy_batch, toy_pspnet

CE = dict(type='CrossEntropyLoss', avg_non_ignore=True)
HEADS = dict(
    plain=dict(),
    aligned=dict(align_corners=True),
    ignored=dict(ignore_index=2),
    classes=dict(loss_decode=dict(type='CrossEntropyLoss', class_weight=[1.0, 2.0, 3.0, 4.0])),
    two=dict(loss_decode=[CE, dict(type='DiceLoss', loss_weight=3.0)]),
    twice=dict(loss_decode=[CE, CE | dict(loss_weight=0.5)]),
    hard=dict(sampler=dict(type='OHEMPixelSampler', thresh=0.7, min_kept=100)),
    sigmoid=dict(
        num_classes=2, out_channels=1, threshold=0.3, loss_decode=CE | dict(use_sigmoid=True)
    ),
)


def test_its_weight_scales_losses_and_not_accuracies():
    logs = {}
    for weight in (1.0, 0.25):
        adaptor = build_adaptor(dict(seg=SUPERVISION | dict(loss_weight=weight)))
        step = adaptor.begin_step(adaptor.data_preprocessor(toy_batch(), training=True))
        with step.opened(('source',)):
            losses = adaptor.objectives['seg'].losses(step)
        logs[weight] = {key: value.item() for key, value in losses.items()}
    for key, value in logs[1.0].items():
        factor = 0.25 if 'loss' in key else 1.0
        assert logs[0.25][key] == pytest.approx(factor * value)
    assert set(logs[1.0]) == {f'{h}.{k}' for h in ('decode', 'aux') for k in ('loss_ce', 'acc_seg')}


@pytest.mark.parametrize('of', ['softmax', 'features'])
def test_features_are_kept_only_for_rivals_that_look_at_them(of):
    rival = dict(type='PixelDiscriminator', in_channels=32 if of == 'features' else 4, num_convs=2)
    objectives = adaptsegnet() | dict(adv_decode=toy_alignment(of=of, discriminator=rival))
    adaptor = build_adaptor(objectives)
    step = adaptor.begin_step(adaptor.data_preprocessor(toy_batch(), training=True))
    assert len(step.target.detached.feats) == (4 if of == 'features' else 0)


@pytest.mark.stack
@pytest.mark.parametrize('settings', HEADS.values(), ids=HEADS)
def test_losses_and_gradients_are_those_of_the_heads(settings):
    segmentor = toy_pspnet()
    for head in ('decode_head', 'auxiliary_head'):
        segmentor[head] |= copy.deepcopy(settings)
    adaptor = build_adaptor(dict(seg=SUPERVISION), segmentor=segmentor)
    batch = toy_batch()
    for sample in batch['source']['data_samples']:
        labels = sample.gt_sem_seg.data
        labels[labels == 255] = settings.get('ignore_index', 255)
        if 'num_classes' in settings:
            labels[labels < 255] %= 2
        if settings is HEADS['classes']:
            labels[labels == 255] = 0  # mmseg weights no ignored pixels
    step = adaptor.begin_step(adaptor.data_preprocessor(batch, training=True))
    with step.opened(('source',)):
        ours = adaptor.objectives['seg'].losses(step)
        dense = step.source.dense
        theirs = {
            f'{name}.{key}': value
            for name, head in heads_of(adaptor.segmentor).items()
            for key, value in head.loss_by_feat(dense.logits[name], step.source.samples).items()
        }
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key].squeeze(), value.squeeze())
    gradients = [
        torch.autograd.grad(
            sum(value for key, value in losses.items() if 'loss' in key),
            dense.feats[-1],
            retain_graph=True,
        )[0]
        for losses in (ours, theirs)
    ]
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(*gradients)
