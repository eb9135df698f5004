"""Source supervision: the segmentor's own losses, weighted once."""

import pytest
from builders import SUPERVISION, adaptsegnet, build_adaptor

from mmseg_da.testing import toy_alignment, toy_batch


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
