"""Colour jitter and blur against independent formulas; draws by a counter."""

import colorsys
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from mmseg_da.functional import (
    blur_size,
    colour_jitter,
    gaussian_blur,
    uniform,
    uniforms,
)


def image(seed=0, size=(6, 7)):
    made = torch.rand(3, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    made[:, 0, 0], made[:, 0, 1], made[:, 0, 2] = 0.0, 0.5, 1.0  # grey has no hue
    return made


def by_pixel(function, pixels):
    flat = [function(*pixel) for pixel in pixels.flatten(1).T.tolist()]
    return torch.tensor(flat, dtype=pixels.dtype).T.view_as(pixels)


def close(ours, theirs):
    assert (ours - theirs).abs().max() < 1e-12


def test_brightness_is_added_and_contrast_multiplied():
    x = image()
    close(colour_jitter(x, (1.2, 1, 1, 0), (0,)), (x + 0.2).clamp(0, 1))
    close(colour_jitter(x, (0.8, 1, 1, 0), (0,)), (x - 0.2).clamp(0, 1))
    close(colour_jitter(x, (1, 1.3, 1, 0), (1,)), (x * 1.3).clamp(0, 1))


def test_saturation_and_hue_are_those_of_the_standard_library():
    def saturated(r, g, b):
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        return colorsys.hsv_to_rgb(h, min(1.4 * s, 1), v)

    def turned(r, g, b):
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        return colorsys.hsv_to_rgb((h - 0.17) % 1, s, v)

    x = image(1)
    close(colour_jitter(x, (1, 1, 1.4, 0), (2,)), by_pixel(saturated, x))
    close(colour_jitter(x, (1, 1, 1, -0.17), (3,)), by_pixel(turned, x))
    close(colour_jitter(x, (1, 1, 1, 0), (2, 3)), x)


def test_the_order_counts():
    x, factors = image(2), (1.2, 1.2, 1.0, 0.0)
    one, other = (colour_jitter(x, factors, order) for order in ((0, 1), (1, 0)))
    close(one, ((x + 0.2).clamp(0, 1) * 1.2).clamp(0, 1))
    close(other, ((x * 1.2).clamp(0, 1) + 0.2).clamp(0, 1))


@pytest.mark.parametrize(('side', 'size'), [(512, 51), (640, 63), (1024, 103), (10, 1)])
def test_the_kernel_is_about_a_tenth_of_the_side(side, size):
    assert blur_size(side) == size


def test_blur_is_the_gaussian_of_its_formula():
    x = torch.zeros(1, 101, 101, dtype=torch.double)
    x[0, 50, 50] = 1.0
    blurred = gaussian_blur(x, 0.7)
    taps = torch.tensor([math.exp(-(i**2) / (2 * 0.49)) for i in range(-3, 4)], dtype=torch.double)
    full = sum(math.exp(-(i**2) / (2 * 0.49)) for i in range(-5, 6))
    close(blurred[0, 47:54, 50], taps / full / full)
    assert blurred.sum().item() == pytest.approx(1.0)


def test_blur_keeps_a_constant_and_reflects_at_borders():
    close(gaussian_blur(torch.ones(2, 64, 48).double(), 1.1), torch.ones(2, 64, 48).double())
    ramp = torch.arange(64.0, dtype=torch.double).expand(1, 32, 64)
    assert gaussian_blur(ramp, 1.0)[0, 5, 0] > 0  # the neighbours of the first column
    inner = gaussian_blur(ramp, 1.0)[0, 5, 10:50]
    close(inner, ramp[0, 5, 10:50])


def test_blur_is_computed_in_float32_under_autocast():
    x = image(4, (64, 48)).float()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        blurred = gaussian_blur(x, 0.8)
    assert torch.equal(blurred, gaussian_blur(x, 0.8))
    half = x.bfloat16()
    assert torch.equal(gaussian_blur(half, 0.8), gaussian_blur(half.float(), 0.8).bfloat16())


def test_blur_of_shapes_alone_is_a_shape():
    assert gaussian_blur(torch.zeros(3, 20, 30, device='meta'), 0.8).shape == (3, 20, 30)


def test_blur_agrees_with_pillow():
    noise = (255 * image(3, (60, 60))).round()
    picture = Image.fromarray(noise.byte().permute(1, 2, 0).numpy())
    theirs = np.array(picture.filter(ImageFilter.GaussianBlur(1.0)), dtype=float)
    ours = gaussian_blur(noise, 1.0).permute(1, 2, 0).numpy()
    assert np.abs(ours - theirs)[8:-8, 8:-8].mean() < 3  # Pillow approximates by boxes


def test_numbers_belong_to_their_key_and_are_the_same_for_host_and_device():
    drawn = uniforms(3, 4, count=50, like=torch.zeros(1))
    assert drawn.tolist() == pytest.approx([uniform(3, 4, i) for i in range(50)])
    assert not torch.equal(drawn, uniforms(3, 5, count=50, like=drawn))
    assert not torch.equal(drawn, uniforms(4, 4, count=50, like=drawn))


def test_numbers_are_uniform_and_do_not_depend_on_each_other():
    table = torch.stack([uniforms(7, n, count=100, like=torch.zeros(1)) for n in range(400)])
    assert table.min() >= 0
    assert table.max() < 1
    assert table.mean().item() == pytest.approx(0.5, abs=0.01)
    counts = torch.histc(table, 20, 0, 1)
    chi2 = ((counts - 2000) ** 2 / 2000).sum()
    assert chi2 < 50  # 19 degrees of freedom
    for lag in (table[1:], table[:, 1:]):
        first = table[: len(lag), : lag.shape[1]]
        both = torch.stack([first.flatten(), lag.flatten()])
        assert torch.corrcoef(both)[0, 1].abs() < 0.03
