"""Images of any size through a translator: sizes, tiles, and too little memory."""

import numpy as np
import pytest
import torch
from torch import nn
from translation_helpers import NO_TARGET, Function

from mmseg_da.engine.image_translation import ImageTranslation
from mmseg_da.errors import UserError
from mmseg_da.models import FrozenTranslator

GENERATOR = dict(type='ResnetGenerator', blocks=1, channels=4)


@pytest.fixture
def trained():
    translator = FrozenTranslator(GENERATOR)
    for parameter in translator.parameters():
        nn.init.normal_(parameter, std=0.1)
    return translator


def noise(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def test_an_image_is_that_of_the_generator(trained):
    images = noise(2, 3, 32, 40)
    with torch.no_grad():
        values = trained.generator(images.float() / 127.5 - 1)
    expected = ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    translated = ImageTranslation(trained.train())(images, NO_TARGET)
    assert torch.equal(translated, expected)
    assert expected.float().std() > 5  # the weights do something


@pytest.mark.parametrize('size', [(1, 1), (7, 30), (33, 18), (40, 41), (40, 40)])
def test_any_size_is_continued_by_its_mirror_image_and_cut_again(trained, size):
    image = noise(1, 3, *size)
    translated = ImageTranslation(trained)(image, NO_TARGET)
    assert translated.shape == image.shape
    height, width = (max(-(-side // 4) * 4, 8) for side in size)
    array = np.pad(
        image[0].numpy(), ((0, 0), (0, height - size[0]), (0, width - size[1])), mode='reflect'
    )
    whole = ImageTranslation(trained)(torch.from_numpy(array)[None], NO_TARGET)
    assert torch.equal(translated, whole[..., : size[0], : size[1]])


def test_pixels_are_rounded_and_cut():
    fake = Function(lambda pixels: pixels * 1.5 - 100)
    image = torch.tensor([0, 60, 67, 68, 255], dtype=torch.uint8).expand(1, 3, 1, 5)
    assert ImageTranslation(fake)(image, NO_TARGET)[0, 0, 0].tolist() == [0, 0, 0, 2, 255]


def test_numbers_that_are_none_are_told():
    fake = Function(lambda pixels: pixels / 0)
    with pytest.raises(UserError, match='did its training diverge'):
        ImageTranslation(fake)(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), NO_TARGET)


def blur(pixels):
    weight = torch.tensor([1.0, 2.0, 1.0])
    weight = (weight[:, None] * weight / 16.1).expand(3, 1, 3, 3)
    return nn.functional.conv2d(pixels, weight, padding=1, groups=3)


@pytest.mark.parametrize('size', [(61, 90), (64, 20), (30, 90), (33, 31)])
def test_tiles_give_the_whole_image(size):
    image = noise(2, 3, *size)
    tiled = Function(blur, divisor=4)
    whole = ImageTranslation(Function(blur, divisor=4))(image, NO_TARGET)
    blended = ImageTranslation(tiled, tile=(32, 32))(image, NO_TARGET)
    differ = (blended.int() - whole.int()).abs()
    assert differ.max() <= 1  # where the two round to different sides
    assert (differ > 0).float().mean() < 1e-3
    assert all(max(shape[-2:]) <= 32 for shape in tiled.seen)
    assert (len(tiled.seen) > 1) == (max(size) > 32)


def test_no_step_shows_on_a_ramp_where_tiles_differ():
    """Each tile is brighter towards its corner: the blend must not jump by that."""

    def corner(pixels):
        down, across = (torch.linspace(0, 40, side) for side in pixels.shape[-2:])
        return pixels + down[:, None] + across

    ramp = (torch.arange(64)[:, None] + torch.arange(160)).expand(1, 3, 64, 160) // 2
    ramp = ramp.to(torch.uint8)
    translation = ImageTranslation(Function(corner), tile=(48, 48), overlap=24)
    blended = translation(ramp, NO_TARGET).int()
    # Tiles that lie 24 apart or less differ by 20, which is spread over 12 pixels.
    assert max(blended.diff(dim=dim).abs().max() for dim in (-2, -1)) <= 5


def test_tiles_of_a_generator_share_their_statistics(trained):
    """A flat half and a noisy one: alone, a tile of the flat half would be stretched."""
    image = noise(1, 3, 48, 96)
    image[..., :48] = 90 + image[..., :48] // 32
    whole = ImageTranslation(trained)(image, NO_TARGET).int()
    translation = ImageTranslation(trained, tile=(48, 48), overlap=16)
    shared = translation(image, NO_TARGET).int()
    translation.statistics.layers = []
    alone = translation(image, NO_TARGET).int()
    errors = [(each - whole).abs().float().mean() for each in (shared, alone)]
    assert errors[0] < 0.7 * errors[1]


def test_too_little_memory_for_a_batch_and_then_for_an_image():
    said = []
    fake = Function(lambda pixels: 255 - pixels, divisor=4, limit=260 * 300)
    translation = ImageTranslation(fake, tell=said.append)
    images = noise(2, 3, 256, 300)
    assert torch.equal(translation(images, NO_TARGET), 255 - images)
    assert said == ['memory is too small for 2 images at once: one at a time']
    large = noise(1, 3, 300, 500)
    assert torch.equal(translation(large, NO_TARGET), 255 - large)
    assert said[1:] == ['memory is too small for images of 300x500: in tiles of 248x248']
    assert fake.seen[-1] == (1, 3, 248, 248)


def test_too_little_memory_for_anything():
    image = noise(1, 3, 300, 500)
    with pytest.raises(UserError, match='too small for tiles of 248x248: give a smaller --tile'):
        ImageTranslation(Function(divisor=4, limit=100), tell=len)(image, NO_TARGET)
    with pytest.raises(UserError, match='too small for tiles of 64x64: give a smaller --tile'):
        ImageTranslation(Function(limit=100), tile=(64, 64))(image, NO_TARGET)


def test_other_failures_pass():
    def fail(pixels):
        raise RuntimeError('mat1 and mat2 shapes cannot be multiplied')

    with pytest.raises(RuntimeError, match='cannot be multiplied'):
        ImageTranslation(Function(fail))(noise(1, 3, 8, 8), NO_TARGET)


@pytest.mark.parametrize(
    ('options', 'problem'),
    [
        (dict(tile=(30, 32)), '--tile 30 32: sides have to be multiples of 4.*--tile 28 32'),
        (dict(tile=(4, 4)), 'multiples of 4, 8 at least, e.g. --tile 8 8'),
        (dict(tile=(32, 32), overlap=32), '--overlap 32: tiles of 32x32 can share 1 to 28'),
        (dict(tile=(32, 32), overlap=0), '--overlap 0'),
        (dict(overlap=8), '--overlap is of tiles'),
    ],
)
def test_tiles_that_cannot_be(trained, options, problem):
    with pytest.raises(UserError, match=problem):
        ImageTranslation(trained, **options)


class Whole(Function):
    """A translator of pairs, for which a part of an image is another image."""

    tileable = False

    def translate(self, source, target):
        assert len(source) == len(target)
        return super().translate(source, target) + target.mean((-2, -1), keepdim=True)


def test_each_image_keeps_its_target_image_when_memory_is_too_small():
    images, targets = noise(3, 3, 40, 40) // 2, torch.arange(3.0).view(3, 1, 1, 1)
    one_by_one = ImageTranslation(Whole(limit=1600), tell=len)(images, targets)
    assert torch.equal(one_by_one, images + targets.byte())


def test_what_is_no_tile_of_anything_is_not_cut():
    with pytest.raises(UserError, match='--tile: Whole takes whole images only'):
        ImageTranslation(Whole(), tile=(32, 32))
    with pytest.raises(UserError, match='too small for images of 400x400: give --device cpu'):
        ImageTranslation(Whole(limit=1600), tell=len)(
            noise(1, 3, 400, 400), torch.zeros(1, 3, 1, 1)
        )
