"""Instance normalisation by statistics that are gathered over the parts of an image."""

import pytest
import torch
from torch import nn

from mmseg_da.functional import by_tiles
from mmseg_da.models import ResnetGenerator
from mmseg_da.models.translators.instance_statistics import InstanceStatistics


@pytest.mark.parametrize('affine', [False, True])
def test_parts_are_normalised_like_the_whole(affine):
    """One layer, and parts that do not overlap: what is gathered is what the image has."""
    norm = nn.InstanceNorm2d(3, affine=affine)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    images = torch.randn(2, 3, 8, 12) * torch.linspace(0.1, 3, 12) + 5
    parts = images.split(4, dim=-1)
    whole = norm(images)
    assert (torch.cat([norm(part) for part in parts], -1) - whole).abs().max() > 0.5
    statistics = InstanceStatistics(norm)
    with statistics.measuring():
        own = [norm(part) for part in parts]
    assert torch.equal(own[0], norm(parts[0]))
    for _ in range(2):
        with statistics.applied():
            shared = torch.cat([norm(part) for part in parts], -1)
        torch.testing.assert_close(shared, whole, rtol=1e-4, atol=1e-4)
    assert torch.equal(norm(images), whole)  # no hook is left


def test_measuring_again_forgets():
    norm = nn.InstanceNorm2d(1)
    statistics = InstanceStatistics(norm)
    for images in (torch.randn(1, 1, 4, 4), 9 + torch.randn(3, 1, 4, 4)):
        with statistics.measuring():
            norm(images)
    with statistics.applied():
        torch.testing.assert_close(norm(images), nn.InstanceNorm2d(1)(images), rtol=0, atol=1e-4)


def test_running_statistics_are_left_alone():
    assert InstanceStatistics(nn.InstanceNorm2d(2, track_running_stats=True)).layers == []


def test_tiles_of_a_generator_come_nearer_to_the_whole_image():
    torch.manual_seed(0)
    generator = ResnetGenerator(blocks=1, channels=4).eval()
    generator.init_weights()
    across = torch.linspace(-1, 1, 96)
    image = (across + 0.1 * torch.randn(1, 3, 64, 96)).clamp(-1, 1)
    statistics = InstanceStatistics(generator)
    assert len(statistics.layers) == 7

    def tiled():
        return by_tiles(generator, image, (64, 32), 16, step=4)

    with torch.no_grad():
        whole, own = generator(image), tiled()
        with statistics.measuring():
            tiled()
        with statistics.applied():
            shared = tiled()
    assert (shared - whole).abs().mean() < 0.7 * (own - whole).abs().mean()
