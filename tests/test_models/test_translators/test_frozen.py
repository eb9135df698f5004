"""A trained generator in use: what it is given, and what it gives back."""

import pytest
import torch
from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.models import FrozenTranslator
from mmseg_da.registry import MODELS

GENERATOR = dict(type='ResnetGenerator', blocks=1, channels=4)


class Negative(nn.Module):
    """Inverts images in [-1, 1], and notes their size."""

    def forward(self, images):
        self.seen = tuple(images.shape[-2:])
        return -images


def build(**settings) -> FrozenTranslator:
    translator = MODELS.build(dict(type='FrozenTranslator', generator=GENERATOR) | settings)
    translator.generator = Negative()
    return translator


@pytest.mark.parametrize(
    ('scale', 'size', 'seen'),
    [
        (1.0, (40, 60), (40, 60)),
        (0.5, (40, 60), (20, 32)),  # 30 is no multiple of 4
        (0.8, (720, 1280), (576, 1024)),
        (2.0, (16, 20), (32, 40)),
        (0.1, (40, 60), (8, 8)),  # the generator takes no less
    ],
)
def test_the_generator_sees_images_of_its_scale(scale, size, seen):
    translator = build(scale=scale)
    pixels = torch.full((1, 3, *size), 55.0)
    result = translator.translate(pixels, pixels)
    assert translator.generator.seen == seen
    assert torch.allclose(result, torch.full_like(pixels, 200.0), atol=1e-3)


def test_a_smooth_image_survives_the_scale():
    ramp = torch.linspace(0, 255, 64).expand(1, 3, 32, 64)
    result = build(scale=0.5).translate(ramp, ramp)
    gap = (result - (255 - ramp)).abs()
    assert gap[..., 4:-4].max() < 0.1
    assert gap.max() < 255 / 32  # at the border, a step of the smaller image


def test_a_scale_of_one_changes_no_pixel():
    pixels = torch.randint(256, (2, 3, 12, 20)).float()
    assert torch.allclose(build().translate(pixels, pixels), 255 - pixels, atol=1e-4)


def test_a_scale_that_cannot_be_is_refused():
    with pytest.raises(UserError, match=r'model\.translator\.scale is 0'):
        build(scale=0)
