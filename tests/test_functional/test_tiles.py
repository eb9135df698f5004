"""Tiles: they cover the image, their weights sum to one, and their borders do not show."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmseg_da.functional import by_tiles, reflect_to, windows
from mmseg_da.functional.tiles import tile_starts, tile_weights

SIZES = [
    ((40, 64), (16, 24), 8, 4),
    ((40, 64), (16, 24), 12, 4),
    ((37, 53), (10, 11), 3, 1),
    ((64, 64), (32, 64), 1, 1),
    ((40, 64), (64, 16), 8, 4),
    ((8, 8), (16, 16), 4, 4),
]


@pytest.mark.parametrize(('height', 'width'), [(5, 7), (8, 8), (9, 13), (6, 12)])
def test_reflection_is_that_of_torch(height, width):
    images = torch.rand(2, 3, 5, 7)
    expected = F.pad(images, (0, width - 7, 0, height - 5), mode='reflect')
    assert torch.equal(reflect_to(images, height, width), expected)


def test_reflection_of_short_sides():
    line = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
    assert reflect_to(line, 1, 9).flatten().tolist() == [1, 2, 3, 2, 1, 2, 3, 2, 1]
    assert reflect_to(line[..., :1], 2, 3).tolist() == [[[[1.0] * 3] * 2]]


@pytest.mark.parametrize(
    ('args', 'starts'),
    [
        ((10, 10, 4), [0]),
        ((10, 20, 4), [0]),
        ((16, 10, 4), [0, 6]),
        ((17, 10, 4), [0, 3, 7]),
        ((40, 16, 8, 4), [0, 8, 16, 24]),
        ((44, 16, 8, 4), [0, 4, 12, 20, 28]),
        ((24, 16, 12, 4), [0, 4, 8]),
    ],
)
def test_tiles_are_spread_evenly(args, starts):
    assert tile_starts(*args) == starts


@pytest.mark.parametrize('size', SIZES)
def test_every_tile_is_inside_on_the_grid_and_shares_enough(size):
    (length, _), (tile, _), overlap, step = size
    tile = min(tile, length)
    starts = tile_starts(length, tile, overlap, step)
    assert (starts[0], starts[-1]) == (0, length - tile)
    assert all(start % step == 0 for start in starts)
    assert all(a + tile - b >= overlap for a, b in itertools.pairwise(starts))


def test_weights_in_one_dimension_by_hand():
    # Tiles 0..7 and 4..11 share 4..7: the first takes 4, the last 7, and 5 and 6 fade.
    weights = tile_weights(12, [0, 4], 8)
    expected = torch.tensor([1, 1, 1, 1, 1, 0.75, 0.25, 0, 0, 0, 0, 0])
    assert torch.equal(weights, torch.stack([expected, 1 - expected]))


@pytest.mark.parametrize('size', SIZES)
def test_weights_sum_to_one_and_are_within_their_tiles(size):
    (height, width), tile, *rest = size
    total = torch.zeros(height, width)
    for (rows, columns), weights in windows((height, width), tile, *rest):
        assert weights.shape == (rows.stop - rows.start, columns.stop - columns.start)
        assert weights.min() >= 0
        total[rows, columns] += weights
    torch.testing.assert_close(total, torch.ones(height, width), rtol=0, atol=1e-6)


@pytest.mark.parametrize('size', SIZES)
def test_a_function_of_each_pixel_is_that_of_the_whole_image(size):
    images = torch.rand(2, 3, *size[0]) * 255
    result = by_tiles(lambda part: 255 - part, images, *size[1:])
    torch.testing.assert_close(result, 255 - images, rtol=0, atol=1e-4)


def test_convolutions_are_those_of_the_whole_image():
    """The receptive field, 7 x 7 pixels, is within a quarter of the overlap: borders do not count."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.ReflectionPad2d(1),
        nn.Conv2d(3, 4, 3),
        nn.Tanh(),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.Tanh(),
        nn.Conv2d(4, 3, 3, padding=1),
    ).eval()
    images = torch.rand(2, 3, 60, 76)
    with torch.no_grad():
        whole = network(images)
        tiled = by_tiles(network, images, (32, 24), 12)
        too_near = by_tiles(network, images, (32, 24), 4)
    assert (tiled - whole).abs().max() <= 1e-5
    assert (too_near - whole).abs().max() > 1e-3  # so that the test sees borders


def test_a_network_with_strides_has_the_same_grid_in_each_tile():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.Tanh(),
        nn.Conv2d(4, 4, 3, stride=2, padding=1),
        nn.ConvTranspose2d(4, 3, 4, stride=4),
    ).eval()
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        whole, tiled = network(images), by_tiles(network, images, (40, 44), 20, step=4)
        off_grid = by_tiles(network, images, (40, 44), 22, step=1)
    assert (tiled - whole).abs().max() <= 1e-5
    assert (off_grid - whole).abs().max() > 1e-3


def ramp(height: int, width: int) -> torch.Tensor:
    down, across = torch.arange(height)[:, None], torch.arange(width)
    return (down + 2.0 * across).expand(1, 3, height, width)


def steps(images: torch.Tensor) -> float:
    """The largest change of the slope, down or across: a seam is a step."""
    return max(images.diff(n=2, dim=dim).abs().max().item() for dim in (-2, -1))


def test_a_ramp_stays_a_ramp():
    image = ramp(60, 90)
    result = by_tiles(lambda part: part, image, (32, 40), 16)
    assert (result - image).abs().max() < 1e-4
    assert steps(result) < 1e-3


def test_tiles_that_differ_fade_into_each_other():
    """Each tile shifts its tone by its own mean, as instance normalisation does."""
    image = ramp(64, 95)

    def own_tone(part):
        return part - part.mean(dim=(-2, -1), keepdim=True)

    blended = by_tiles(own_tone, image, (64, 48), 24)
    cut = by_tiles(own_tone, image, (64, 48), 1)
    # Tiles 24 apart differ by 48, which is spread over 12 pixels of fading; tiles 47 apart that
    # share one pixel make two steps of 47.
    assert (blended.diff(dim=-1) - 2).abs().max() <= 4 + 1e-3
    assert (cut.diff(dim=-1) - 2).abs().max() > 45


def test_a_border_that_a_tile_draws_does_not_show():
    def framed(part):
        part = part.clone()
        part[..., :2, :] = part[..., -2:, :] = part[..., :2] = part[..., -2:] = 1000.0
        return part

    image = ramp(40, 60)
    result = by_tiles(framed, image, (24, 24), 8)[..., 2:-2, 2:-2]
    assert (result - image[..., 2:-2, 2:-2]).abs().max() < 1e-3


def test_tiles_follow_their_place():
    """Each tile says where it is in itself; the blend of these is known."""

    def place(part):
        return torch.arange(part.shape[-1]).expand(part.shape).float()

    result = by_tiles(place, torch.zeros(1, 1, 4, 12), (4, 8), 4)[0, 0]
    expected = torch.tensor([0, 1, 2, 3, 4, 4, 3, 3, 4, 5, 6, 7]).float()
    torch.testing.assert_close(result, expected.expand(4, 12))
