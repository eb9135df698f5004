"""ADDA's discriminator: counts, that it sees one pixel, where it drops channels."""

import pytest
import torch
from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.models import PointwiseDiscriminator
from mmseg_da.registry import MODELS


@pytest.mark.parametrize(
    ('settings', 'number'),
    [
        (dict(in_channels=19), 142_082),
        (dict(in_channels=4096, channels=(1024, 512)), 4_721_154),
        (dict(in_channels=19, outputs=1), 142_082 - 257),
    ],
)
def test_it_has_the_published_number_of_parameters(settings, number):
    with torch.device('meta'):
        rival = MODELS.build(dict(type='PointwiseDiscriminator', **settings))
    assert sum(p.numel() for p in rival.parameters()) == number


@pytest.mark.stack
def test_it_is_a_network_of_each_pixel():
    rival = PointwiseDiscriminator(5, channels=(8, 6)).eval()
    scores = torch.randn(2, 5, 3, 4)
    pixels = scores.permute(0, 2, 3, 1)
    for layer in (0, 3, 6):
        conv = rival[layer]
        pixels = nn.functional.linear(pixels, conv.weight[:, :, 0, 0], conv.bias)
        pixels = pixels if layer == 6 else pixels.relu()
    torch.testing.assert_close(rival(scores), pixels.permute(0, 3, 1, 2))
    assert rival(scores).shape == (2, 2, 3, 4)


def test_it_drops_whole_channels_before_the_relu():
    rival = PointwiseDiscriminator(5, channels=(64, 32), dropout=0.25)
    kinds = [type(layer) for layer in rival]
    one = [nn.Conv2d, nn.Dropout2d, nn.ReLU]
    assert kinds == [*one, *one, nn.Conv2d]
    assert [layer.p for layer in rival if isinstance(layer, nn.Dropout2d)] == [0.25, 0.25]
    dropped = rival[1](rival[0](torch.randn(1, 5, 6, 6))) == 0
    assert torch.equal(dropped.all((2, 3)), dropped.any(3).any(2))
    assert 0.05 < dropped.float().mean() < 0.5


@pytest.mark.parametrize('outputs', [0, -1, 2.5])
def test_other_numbers_of_outputs_are_told(outputs):
    with pytest.raises(UserError, match=f'outputs={outputs} is no whole number of 1 or more'):
        PointwiseDiscriminator(19, outputs=outputs)
