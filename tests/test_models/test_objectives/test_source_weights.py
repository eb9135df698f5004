"""Which source an image is from: what objectives see of it, and a weight for each."""

import copy

import pytest
import torch
import torch.nn.functional as F
from builders import SUPERVISION, build_adaptor, build_wrappers, state_gap, train
from host_sync import Watch

from mmseg_da.errors import UserError
from mmseg_da.models.objectives import Objective
from mmseg_da.registry import MODELS
from mmseg_da.testing import toy_batch, toy_pspnet


def weighted(*weights, loss_weight=1.0):
    return dict(seg=SUPERVISION | dict(source_weights=list(weights), loss_weight=loss_weight))


def losses_of(objectives, batch, segmentor=None):
    adaptor = build_adaptor(objectives, segmentor)
    return adaptor, adaptor.train_step(batch, build_wrappers(adaptor))


def test_the_step_tells_the_source_of_each_image():
    adaptor = build_adaptor(dict(seg=SUPERVISION))
    batch = toy_batch(5, sources=3)
    step = adaptor.begin_step(adaptor.data_preprocessor(batch, training=True))
    assert step.source.origins.tolist() == [0, 1, 2, 0, 1]
    assert step.source.origins.dtype == torch.long
    assert step.source.origin_numbers == [0, 1, 2, 0, 1]
    for sample in batch['source']['data_samples']:
        sample.set_metainfo(dict(source_index=0))
    step = adaptor.begin_step(adaptor.data_preprocessor(batch, training=True))
    assert step.source.origins.tolist() == [0] * 5


def test_without_the_number_there_is_one_source():
    adaptor = build_adaptor(dict(seg=SUPERVISION))
    batch = toy_batch(2)
    for sample in batch['source']['data_samples']:
        del sample.source_index
    step = adaptor.begin_step(adaptor.data_preprocessor(batch, training=True))
    assert step.source.origins.tolist() == [0, 0]


def test_each_pixel_counts_with_the_weight_of_its_source():
    batch = toy_batch(4, sources=2)
    adaptor = build_adaptor(weighted(0.5, 2.0, loss_weight=0.25))
    step = adaptor.begin_step(adaptor.data_preprocessor(copy.deepcopy(batch), training=True))
    with step.opened(('source',)):
        losses = adaptor.objectives['seg'].losses(step)
        logits = F.interpolate(
            step.source.dense.logits['decode'], (64, 64), mode='bilinear', align_corners=False
        )
        each = F.cross_entropy(logits, step.source.labels, ignore_index=255, reduction='none')
        weights = torch.tensor([0.5, 2.0, 0.5, 2.0]).view(-1, 1, 1)
        expected = (weights * each).sum() / (step.source.labels != 255).sum()
    torch.testing.assert_close(losses['decode.loss_ce'], 0.25 * expected)


def test_equal_weights_change_nothing():
    batch = toy_batch(4, sources=2)
    plain, before = losses_of(dict(seg=SUPERVISION), copy.deepcopy(batch))
    same, after = losses_of(weighted(1, 1), batch)
    assert {key: value.item() for key, value in before.items()} == {
        key: value.item() for key, value in after.items()
    }
    assert state_gap(plain, same) == 0


def test_a_weight_of_zero_takes_a_source_out():
    batch, other = toy_batch(4, sources=2), toy_batch(4, sources=2)
    for sample in other['source']['data_samples'][1::2]:
        labels = sample.gt_sem_seg.data
        labels[labels != 255] = 0
    ours, theirs = (losses_of(weighted(1, 0), each)[0] for each in (batch, other))
    assert state_gap(ours, theirs) == 0
    unlike = losses_of(weighted(1, 1), other)[0]
    assert state_gap(ours, unlike) > 0


def test_hard_pixels_of_a_sampler_are_weighted_too():
    segmentor = toy_pspnet()
    segmentor['decode_head']['sampler'] = dict(type='OHEMPixelSampler', thresh=0.7, min_kept=100)
    single = losses_of(weighted(1, 1), toy_batch(2, sources=2), segmentor)[1]
    double = losses_of(weighted(2, 2), toy_batch(2, sources=2), segmentor)[1]
    key = 'seg.decode.loss_ce'
    assert double[key].item() == pytest.approx(2 * single[key].item(), rel=1e-6)


def test_weights_are_no_state():
    adaptor = build_adaptor(weighted(1, 2))
    assert not any('source_weights' in key for key in adaptor.state_dict())


def test_nothing_waits_for_the_device():
    adaptor = build_adaptor(weighted(1, 2) | dict(near=dict(type='NearestSource')))
    wrappers = build_wrappers(adaptor)
    adaptor.train_step(toy_batch(4, sources=2), wrappers)
    batch = toy_batch(4, sources=2)
    with Watch(also_ours=(__file__,)) as watch:
        adaptor.train_step(batch, wrappers)
    assert watch.ours == []


@MODELS.register_module()
class NearestSource(Objective):
    """An objective of a third party: pull the sources' mean features together."""

    def losses(self, step):
        feats = step.source.dense.feats[-1].mean(dim=(2, 3))
        first = (step.source.origins == 0).float()
        means = [
            (feats * part[:, None]).sum(0) / part.sum().clamp(min=1) for part in (first, 1 - first)
        ]
        return dict(loss_apart=self.loss_weight * (means[0] - means[1]).square().sum())


def test_an_objective_of_a_third_party_sees_the_sources():
    terms = dict(seg=SUPERVISION, near=dict(type='NearestSource', loss_weight=0.1))
    adaptor = build_adaptor(terms)
    logs = train(adaptor, build_wrappers(adaptor), 3, num=4, sources=2)
    assert all(log['near.loss_apart'] > 0 for log in logs)
    alone = build_adaptor(terms)
    logs = train(alone, build_wrappers(alone), 1, num=2)
    assert logs[0]['near.loss_apart'] > 0


@pytest.mark.parametrize('weights', [[], [1, -1], [1, 'a'], 2, '12', [1, float('nan')], [True]])
def test_weights_that_do_not_fit_are_told(weights):
    with pytest.raises(UserError, match='SourceSupervision: source_weights is'):
        build_adaptor(dict(seg=SUPERVISION | dict(source_weights=weights)))


def test_an_image_of_a_source_without_weight_is_told():
    with pytest.raises(
        UserError, match='source_weights has 2 numbers, but an image is of source 2'
    ):
        losses_of(weighted(1, 2), toy_batch(3, sources=3))


@pytest.mark.parametrize(
    'loss', [dict(type='DiceLoss'), dict(type='CrossEntropyLoss', use_sigmoid=True)]
)
def test_losses_that_cannot_weight_pixels_are_told(loss):
    segmentor = toy_pspnet()
    segmentor['auxiliary_head']['loss_decode'] = loss
    with pytest.raises(UserError, match=r'source_weights needs .*, but the aux head'):
        build_adaptor(weighted(1, 2), segmentor)
    build_adaptor(dict(seg=SUPERVISION), segmentor)
