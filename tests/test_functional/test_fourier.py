"""The swap of low frequencies against numpy's FFT, and what it leaves alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmseg_da.functional import swap_low_frequencies
from mmseg_da.functional.fourier import swap_window, window_radius, window_weights

SIZES = [(48, 64), (33, 48), (48, 35), (31, 45), (64, 33)]
WINDOWS = ['symmetric', 'legacy']
both_windows = pytest.mark.parametrize('window', WINDOWS)
both_ways = pytest.mark.parametrize('partial', [True, False], ids=['partial', 'full'])


def by_numpy(source: np.ndarray, target: np.ndarray, radius: int, window: str) -> np.ndarray:
    """The released code's two ways: unshifted corners in training, the shifted centre elsewhere."""
    ours, theirs = (np.fft.fft2(each.astype(np.float64)) for each in (source, target))
    swapped, model = np.abs(ours), np.abs(theirs)
    if window == 'legacy':
        for rows in (slice(None, radius), slice(swapped.shape[-2] - radius, None)):
            for columns in (slice(None, radius), slice(swapped.shape[-1] - radius, None)):
                swapped[..., rows, columns] = model[..., rows, columns]
    else:
        swapped, model = (np.fft.fftshift(each, axes=(-2, -1)) for each in (swapped, model))
        row, column = (side // 2 for side in swapped.shape[-2:])
        centre = (
            ...,
            slice(row - radius, row + radius + 1),
            slice(column - radius, column + radius + 1),
        )
        swapped[centre] = model[centre]
        swapped = np.fft.ifftshift(swapped, axes=(-2, -1))
    return np.real(np.fft.ifft2(swapped * np.exp(1j * np.angle(ours))))


def pictures(*size: int, seed: int = 0, coarse: int = 6) -> torch.Tensor:
    """Smooth images with some noise (2, 3, H, W), uint8 values in float32, as photographs are."""
    rng = torch.Generator().manual_seed(seed)
    smooth = F.interpolate(torch.rand(2, 3, coarse, coarse, generator=rng), size, mode='bicubic')
    noise = 20 * torch.randn(2, 3, *size, generator=rng)
    return (255 * smooth + noise).clamp(0, 255).round()


def pair(*size: int) -> tuple[torch.Tensor, torch.Tensor]:
    return pictures(*size), pictures(*size, seed=1, coarse=9) * 0.6


def gap(ours: torch.Tensor, theirs: np.ndarray | torch.Tensor) -> float:
    return (ours.double() - torch.as_tensor(theirs).double()).abs().max().item()


@both_ways
@both_windows
@pytest.mark.parametrize('radius', [0, 1, 5, 15])
@pytest.mark.parametrize('size', SIZES, ids=str)
def test_it_equals_numpy(size, radius, window, partial):
    source, target = pair(*size)
    expected = by_numpy(source.numpy(), target.numpy(), radius, window)
    ours = swap_window(source, target, radius, window, partial)
    assert ours.dtype == torch.float32
    assert gap(ours, expected) <= 1e-3
    exact = swap_window(source.double(), target.double(), radius, window, partial)
    assert gap(exact, expected) <= 1e-9
    if radius > 0:
        assert gap(source, expected) > 10  # it does something


@both_windows
@pytest.mark.parametrize(
    ('beta', 'radius'), [(0.0, 0), (0.02, 0), (0.1, 3), (0.34, 11), (0.49, 16)]
)
def test_beta_is_a_share_of_the_shorter_side(beta, radius, window):
    source, target = pair(33, 48)
    expected = by_numpy(source.numpy(), target.numpy(), radius, window)
    assert gap(swap_low_frequencies(source, target, beta, window), expected) <= 1e-3


@both_windows
def test_the_two_ways_agree_at_the_papers_size(window):
    source, target = pair(256, 512)
    for beta in (0.01, 0.05, 0.09):
        radius = window_radius(256, beta)
        partial, full = (swap_window(source, target, radius, window, way) for way in (True, False))
        assert gap(partial, full) <= 1e-3
        assert gap(swap_low_frequencies(source, target, beta, window), full) <= 1e-3


@pytest.mark.parametrize(
    ('beta', 'legacy', 'symmetric'), [(0.01, 100, 121), (0.05, 2500, 2601), (0.09, 8464, 8649)]
)
def test_the_number_of_swapped_frequencies(beta, legacy, symmetric):
    """At 512x1024. A column other than the first stands for its mirror, too."""
    radius = window_radius(512, beta)
    for window, number in (('legacy', legacy), ('symmetric', symmetric)):
        weights = window_weights(radius, window, torch.zeros(1, dtype=torch.float64))
        assert weights.shape == (2 * radius + 1, radius + 1)
        assert weights[:, 0].sum() + 2 * weights[:, 1:].sum() == number


@both_ways
@both_windows
def test_the_same_image_stays(window, partial):
    source = pictures(33, 48).double()
    assert gap(swap_window(source, source, 5, window, partial), source) <= 1e-12


@both_ways
def test_no_share_swaps_the_mean_colour_or_nothing(partial):
    source, target = (each.double() for each in pair(33, 48))
    assert gap(swap_window(source, target, 0, 'legacy', partial), source) == 0
    shift = (target - source).mean((-2, -1), keepdim=True)
    assert gap(swap_window(source, target, 0, 'symmetric', partial), source + shift) <= 1e-11


@both_windows
def test_the_mean_colour_becomes_the_targets(window):
    source, target = (each.double() for each in pair(48, 64))
    swapped = swap_low_frequencies(source, target, 0.05, window)
    assert gap(swapped.mean((-2, -1)), target.mean((-2, -1))) <= 1e-10


def test_phases_and_the_frequencies_outside_stay():
    source, target = (each.double() for each in pair(33, 48))
    radius = 4
    swapped = swap_low_frequencies(source, target, 0.0, radius=radius)
    before, after, model = (torch.fft.fft2(each) for each in (source, swapped, target))
    rows, columns = (torch.fft.fftfreq(side, 1 / side).abs() for side in (33, 48))
    inside = (rows[:, None] <= radius) & (columns <= radius)
    assert gap(after.abs()[..., inside], model.abs()[..., inside]) <= 1e-8
    assert (after - before)[..., ~inside].abs().max() <= 1e-8
    significant = (before.abs() > 1) & (after.abs() > 1)
    assert significant.double().mean() > 0.99
    turned = (after / after.abs() - before / before.abs())[significant]
    assert turned.abs().max() <= 1e-8


@both_ways
def test_a_black_image_gets_the_mean_colour(partial):
    """The phase of a zero is that of a positive number."""
    target = torch.full((1, 3, 16, 20), 90.0)
    swapped = swap_window(torch.zeros_like(target), target, 2, 'symmetric', partial)
    assert gap(swapped, target) <= 1e-3


def test_images_of_a_batch_do_not_meet():
    source, target = pair(33, 48)
    together = swap_low_frequencies(source, target, 0.1)
    for index in range(2):
        alone = swap_low_frequencies(source[index, None], target[index, None], 0.1)
        assert gap(together[index, None], alone) <= 1e-4


def test_values_leave_the_range_unless_they_are_cut():
    source, target = pictures(48, 64), pictures(48, 64, seed=1)
    swapped = swap_low_frequencies(source, target, 0.2)
    assert swapped.min() < -1
    assert swapped.max() > 256
    cut = swap_low_frequencies(source, target, 0.2, clip=True)
    assert torch.equal(cut, swapped.clamp(0, 255))


@both_ways
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_comes_out_as_single(dtype, partial):
    source, target = (each.to(dtype) for each in pair(33, 48))
    with torch.autocast('cpu', torch.bfloat16):
        swapped = swap_window(source, target, 5, 'symmetric', partial)
    assert swapped.dtype == torch.float32
    expected = by_numpy(source.float().numpy(), target.float().numpy(), 5, 'symmetric')
    assert gap(swapped, expected) <= 1e-3


@pytest.mark.parametrize(
    ('settings', 'problem'),
    [
        (dict(beta=0.5), r'beta=0.5 is not in \[0, 0.5\)'),
        (dict(beta=-0.1), r'beta=-0.1 is not'),
        (dict(beta=float('nan')), r'beta=nan is not'),
        (dict(beta=0.1, radius=-1), r'radius=-1 is not'),
        (dict(beta=0.1, radius=8), r'radius=8 is not in \[0, 16 / 2\)'),
        (dict(beta=0.1, window='round'), r"window='round' is none of \['symmetric', 'legacy'\]"),
    ],
)
def test_what_cannot_be_is_refused(settings, problem):
    images = torch.zeros(1, 3, 16, 20)
    with pytest.raises(ValueError, match=problem):
        swap_low_frequencies(images, images, **settings)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r'\(1, 3, 16, 20\) and target \(1, 3, 16, 16\) differ'):
        swap_low_frequencies(torch.zeros(1, 3, 16, 20), torch.zeros(1, 3, 16, 16), 0.1)


@pytest.mark.parametrize(
    ('size', 'beta', 'few'),
    [
        ((512, 1024), 0.01, True),
        ((512, 1024), 0.05, True),
        ((512, 1024), 0.09, False),
        ((720, 1280), 0.05, False),
        ((96, 192), 0.2, False),
    ],
)
def test_the_way_is_chosen_by_the_size(size, beta, few, monkeypatch):
    taken = []

    def noted(source, target, radius, window, partial):
        taken.append((radius, partial))
        return source

    monkeypatch.setattr('mmseg_da.functional.fourier.swap_window', noted)
    images = torch.zeros(1, 1, 1, 1).expand(1, 3, *size)
    swap_low_frequencies(images, images, beta)
    assert taken == [(window_radius(size[0], beta), few)]
