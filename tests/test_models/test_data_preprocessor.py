"""The preprocessor of two domains against mmseg's, domain by domain."""

import copy

import pytest
import torch
from builders import build_wrappers
from mmseg.models.data_preprocessor import SegDataPreProcessor
from taught_builders import MASK, MIX, SIZE, alike, build

from mmseg_da.errors import UserError
from mmseg_da.models import DomainPreprocessor
from mmseg_da.testing import toy_batch

SHARED = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)


def test_values_equal_mmsegs_preprocessor_per_domain():
    ours = DomainPreprocessor(**SHARED, size_divisor=32)(toy_batch(), training=True)
    for domain, padded in (('source', (64, 64)), ('target', (64, 96))):
        theirs = SegDataPreProcessor(**SHARED, size_divisor=32)(toy_batch()[domain], training=True)
        assert torch.equal(ours[domain]['inputs'], theirs['inputs'])
        assert ours[domain]['inputs'].shape == (2, 3, *padded)
    for mine, theirs in zip(
        ours['source']['data_samples'], toy_batch()['source']['data_samples'], strict=True
    ):
        assert torch.equal(mine.gt_sem_seg.data, theirs.gt_sem_seg.data)


def test_values_are_rgb_less_the_mean_by_the_deviation():
    batch = toy_batch()
    pixels = torch.stack(batch['target']['inputs']).flip(1).double()
    mean, std = (torch.tensor(SHARED[key]).double()[:, None, None] for key in ('mean', 'std'))
    images = DomainPreprocessor(**SHARED, size_divisor=16)(batch, training=True)['target']['inputs']
    assert torch.allclose(images.double(), (pixels - mean) / std, atol=1e-6)


def test_a_domain_overrides_what_is_shared():
    made = DomainPreprocessor(
        **SHARED, size=(64, 64), source=dict(size=(96, 80)), target=dict(size=(48, 80))
    )
    out = made(toy_batch(), training=True)
    assert out['source']['inputs'].shape == (2, 3, 96, 80)
    assert out['target']['inputs'].shape == (2, 3, 48, 80)
    labels = out['source']['data_samples'][0].gt_sem_seg.data
    assert labels.shape == (1, 96, 80)
    assert (labels[:, 64:] == 255).all()


def test_a_domain_may_have_other_statistics():
    plain = dict(mean=[0.0] * 3, std=[1.0] * 3, bgr_to_rgb=False)
    made = DomainPreprocessor(**SHARED, size_divisor=16, target=plain)
    out = made(toy_batch(), training=True)
    assert torch.equal(
        out['target']['inputs'], torch.stack(toy_batch()['target']['inputs']).float()
    )
    theirs = SegDataPreProcessor(**SHARED, size=(64, 64))(toy_batch()['source'], training=True)
    assert torch.equal(out['source']['inputs'], theirs['inputs'])


@pytest.mark.parametrize(
    ('shared', 'own', 'size'),
    [
        (dict(size=(64, 80)), dict(size_divisor=32), (64, 96)),
        (dict(size_divisor=32), dict(size=(48, 80)), (48, 80)),
    ],
)
def test_a_domains_size_and_size_divisor_replace_each_other(shared, own, size):
    made = DomainPreprocessor(**SHARED, **shared, target=own)
    assert made(toy_batch(), training=True)['target']['inputs'].shape[-2:] == size


def test_prediction_takes_an_ordinary_batch():
    made = DomainPreprocessor(**SHARED, source=dict(size=(96, 96)))
    data = toy_batch()['target']
    ours = made(copy.deepcopy(data), training=False)
    theirs = SegDataPreProcessor(**SHARED)(data, training=False)
    assert torch.equal(ours['inputs'], theirs['inputs'])
    assert ours['inputs'].shape == (2, 3, 48, 80)


def test_a_training_batch_of_one_domain_is_refused_with_the_dataset_to_set():
    with pytest.raises(UserError, match=r"\['data_samples', 'inputs'\].*SourceTargetDataset"):
        DomainPreprocessor(**SHARED)(toy_batch()['source'], training=True)


def test_images_of_several_sizes_are_padded_to_the_largest():
    batch = toy_batch()
    batch['target']['inputs'][0] = batch['target']['inputs'][0][:, :40, :64]
    batch['target']['data_samples'][0].set_metainfo(dict(img_shape=(40, 64)))
    out = DomainPreprocessor(**SHARED, size_divisor=1)(batch, training=True)
    assert out['target']['inputs'].shape == (2, 3, 48, 80)
    assert (out['target']['inputs'][0, :, 40:] == 0).all()


def test_double_precision_follows_the_model():
    made = DomainPreprocessor(**SHARED, size_divisor=16).double()
    images = made(toy_batch(), training=True)['source']['inputs']
    assert images.dtype == torch.float64


def test_it_moves_batches_to_its_device():
    made = DomainPreprocessor(**SHARED, size=(96, 96)).to('meta')
    out = made(toy_batch(), training=True)
    assert {domain['inputs'].device.type for domain in out.values()} == {'meta'}
    assert out['source']['data_samples'][0].gt_sem_seg.data.device.type == 'meta'
    assert made(toy_batch()['source'])['inputs'].device.type == 'meta'


def test_training_without_a_size_names_the_domain():
    preprocessor = DomainPreprocessor(mean=[0.0] * 3, std=[1.0] * 3, source=dict(size=(32, 32)))
    with pytest.raises(UserError, match=r'size.*target'):
        preprocessor(toy_batch(), training=True)


def test_labels_are_copied_only_where_they_are_padded():
    batch = toy_batch()
    given = [sample.gt_sem_seg.data for sample in batch['source']['data_samples']]
    made = DomainPreprocessor(**SHARED, target=dict(size=(64, 96)), source=dict(size=(64, 64)))
    for sample, labels in zip(
        made(batch, training=True)['source']['data_samples'], given, strict=True
    ):
        assert sample.gt_sem_seg.data.data_ptr() == labels.data_ptr()
    padding = DomainPreprocessor(**SHARED, target=dict(size=(64, 96)), source=dict(size=(64, 80)))
    for sample in padding(toy_batch(), training=True)['source']['data_samples']:
        assert sample.gt_sem_seg.data.shape == (1, 64, 80)


@pytest.mark.parametrize('objectives', [{}, dict(mix=MIX, mask=MASK)])
def test_a_network_may_take_pixels_as_they_are(objectives):
    """mmseg's preprocessor then has neither mean nor deviation, and the jitter needs them."""
    look = dict(type='DomainPreprocessor', size=SIZE, bgr_to_rgb=True)
    adaptor = build(objectives, data_preprocessor=look)
    logs = adaptor.train_step(alike(), build_wrappers(adaptor))
    assert all(torch.isfinite(torch.as_tensor(value)) for value in logs.values())
    step = adaptor.begin_step(adaptor.data_preprocessor(alike(), training=True))
    assert step.source.images.max() > 100
    unit = step.look.to_unit(step.source.images)
    assert unit.max() <= 1
    torch.testing.assert_close(step.look.to_images(unit), step.source.images)
    assert not any('data_preprocessor' in key for key in adaptor.state_dict())
