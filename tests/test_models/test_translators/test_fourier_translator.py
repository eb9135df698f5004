"""FDA's transform as a translator: sizes, settings, and in front of a segmentor."""

import pytest
import torch
import torch.nn.functional as F
from builders import SUPERVISION, adaptsegnet, build_adaptor, build_wrappers
from host_sync import Watch

from mmseg_da.errors import UserError
from mmseg_da.functional import swap_low_frequencies
from mmseg_da.functional.fourier import swap_window
from mmseg_da.registry import MODELS
from mmseg_da.testing import toy_batch, toy_optim_wrapper


def build(**settings):
    return MODELS.build(dict(type='FourierTranslator') | settings)


def noise(num, *size):
    return torch.randint(256, (num, 3, *size)).float()


@pytest.mark.parametrize('settings', [{}, dict(window='legacy', radius=3), dict(clip=True)])
def test_it_swaps_with_its_settings(settings):
    source, target = noise(2, 40, 60), noise(2, 40, 60) / 2
    expected = swap_low_frequencies(source, target, **(dict(beta=0.1) | settings))
    assert torch.equal(build(beta=0.1, **settings).translate(source, target), expected)


def test_a_target_of_another_size_is_resized():
    source, target = noise(2, 40, 60), noise(2, 50, 90)
    same = F.interpolate(target, (40, 60), mode='bilinear', antialias=True)
    expected = swap_low_frequencies(source, same, 0.1)
    assert torch.equal(build(beta=0.1).translate(source, target), expected)


def test_it_has_nothing_to_train_or_save():
    assert build().state_dict() == {}
    assert "beta=0.01, window='symmetric'" in repr(build())
    assert 'radius=3' in repr(build(radius=3))


@pytest.mark.parametrize(
    ('settings', 'problem'),
    [
        (dict(beta=0.5), r'model.translator.beta is 0.5, but has to be a number in \[0, 0.5\)'),
        (dict(beta=-0.01), 'beta is -0.01'),
        (dict(beta='small'), "beta is 'small'"),
        (dict(beta=True), 'beta is True'),
        (dict(radius=-1), 'radius is -1, but has to be None or a whole number of 0 or more'),
        (dict(radius=1.5), 'radius is 1.5'),
        (dict(window='round'), "window is 'round', but has to be one of"),
        (dict(size_mode='crop'), "size_mode is 'crop', but has to be one of"),
        (dict(clip='yes'), "clip is 'yes', but has to be True or False"),
    ],
)
def test_settings_that_cannot_be_are_told(settings, problem):
    with pytest.raises(UserError, match=problem):
        build(**settings)


@pytest.mark.parametrize(
    ('settings', 'num', 'size', 'problem'),
    [
        (dict(size_mode='same'), 2, (40, 80), '40x60 and target images 40x80.*one size'),
        (dict(radius=20), 2, (40, 60), 'radius is 20, but has to be below 20, half the shorter'),
        ({}, 1, (40, 60), 'a target image for each of the 2 source images, not 1'),
    ],
)
def test_images_that_do_not_fit_are_told(settings, num, size, problem):
    with pytest.raises(UserError, match=problem):
        build(**settings).translate(noise(2, 40, 60), noise(num, *size))


@pytest.mark.stack
def test_it_stands_in_front_of_any_method():
    """The segmentor sees swapped source images and target images as they are."""
    adaptor = build_adaptor(adaptsegnet(), translator=dict(type='FourierTranslator', beta=0.1))
    seen = []
    adaptor.segmentor.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    batch = toy_batch()
    pixels = [torch.stack(batch[name]['inputs']).flip(1).float() for name in ('source', 'target')]
    adaptor.train_step(batch, build_wrappers(adaptor))
    look = F.interpolate(pixels[1], pixels[0].shape[-2:], mode='bilinear', antialias=True)
    swapped = swap_low_frequencies(pixels[0], look, 0.1)
    for images, expected in zip(seen, (swapped, pixels[1]), strict=True):
        mean, std = (
            torch.tensor(each).view(3, 1, 1) for each in ([128.0, 112, 96], [64.0, 64, 32])
        )
        assert torch.allclose(images * std + mean, expected, atol=1e-3)


def test_the_baseline_alone_needs_target_images_then():
    adaptor = build_adaptor(dict(seg=SUPERVISION), translator=dict(type='FourierTranslator'))
    assert adaptor.data_preprocessor.needed == ('source', 'target')
    rows = adaptor.pictures(adaptor.data_preprocessor(toy_batch(), training=True))
    assert rows['source']['translated'].shape == rows['source']['image'].shape


def test_a_step_with_it_does_not_wait_for_the_device():
    translator = dict(type='FourierTranslator', beta=0.1)
    entropy = dict(type='TargetEntropy', penalty='charbonnier', resize=None)
    adaptor = build_adaptor(dict(seg=SUPERVISION, ent=entropy), translator=translator)
    wrappers = build_wrappers(adaptor)
    adaptor.train_step(toy_batch(seed=0), wrappers)
    with Watch() as watch:
        adaptor.train_step(toy_batch(seed=1), wrappers)
    assert watch.ours == []


@pytest.mark.parametrize('partial', [True, False])
def test_neither_way_waits_for_the_device(partial):
    source, target = noise(1, 40, 60), noise(1, 40, 60)
    with Watch() as watch:
        swap_window(source, target, 5, 'legacy', partial)
    assert watch.ours == []


@pytest.mark.stack
def test_pixels_are_swapped_in_single_precision_under_amp():
    seen = []
    for shared in ({}, dict(type='AmpOptimWrapper', dtype='bfloat16')):
        adaptor = build_adaptor(dict(seg=SUPERVISION), translator=dict(type='FourierTranslator'))
        adaptor.segmentor.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        adaptor.train_step(toy_batch(), build_wrappers(adaptor, toy_optim_wrapper(False, **shared)))
    assert seen[0].dtype == seen[1].dtype == torch.float32
    assert torch.equal(*seen)
