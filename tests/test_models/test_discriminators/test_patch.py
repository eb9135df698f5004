"""The 70x70 PatchGAN: counts, maps, layers, first weights, sizes that do not fit."""

import pytest
import torch
from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.models import PatchDiscriminator
from mmseg_da.registry import MODELS


def test_it_has_the_published_number_of_parameters_and_verdicts():
    with torch.device('meta'):
        rival = MODELS.build(dict(type='PatchDiscriminator'))
        assert sum(p.numel() for p in rival.parameters()) == 2_764_737
        for size, verdicts in {
            (256, 256): (30, 30),
            (400, 400): (48, 48),
            (512, 1024): (62, 126),
        }.items():
            assert rival(torch.empty(1, 3, *size)).shape == (1, 1, *verdicts)
        lua = PatchDiscriminator(norm='instance_affine', padding=2)
        assert lua(torch.empty(1, 3, 256, 256)).shape == (1, 1, 35, 35)


def literal(c: int, affine: bool, p: int) -> nn.Sequential:
    bias = not affine
    return nn.Sequential(
        nn.Conv2d(3, c, 4, stride=2, padding=p),
        nn.LeakyReLU(0.2),
        nn.Conv2d(c, 2 * c, 4, stride=2, padding=p, bias=bias),
        nn.InstanceNorm2d(2 * c, affine=affine),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * c, 4 * c, 4, stride=2, padding=p, bias=bias),
        nn.InstanceNorm2d(4 * c, affine=affine),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4 * c, 8 * c, 4, stride=1, padding=p, bias=bias),
        nn.InstanceNorm2d(8 * c, affine=affine),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8 * c, 1, 4, stride=1, padding=p),
    )


@pytest.mark.stack
@pytest.mark.parametrize(('norm', 'padding'), [('instance', 1), ('instance_affine', 2)])
def test_it_is_the_list_of_layers_of_the_paper(norm, padding):
    ours = PatchDiscriminator(channels=4, norm=norm, padding=padding)
    ours.init_weights()
    theirs = literal(4, norm == 'instance_affine', padding)
    ours_state = {key.removeprefix('model.'): value for key, value in ours.state_dict().items()}
    theirs.load_state_dict(ours_state)  # strict: the released names, too
    images = torch.rand(2, 3, 48, 64) * 2 - 1
    before = images.clone()
    verdicts = ours(images)
    assert torch.equal(verdicts, theirs(images))
    assert torch.equal(images, before)
    verdicts.square().mean().backward()
    theirs(images).square().mean().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-7)


def test_one_verdict_sees_70_pixels():
    rival = PatchDiscriminator(channels=1)
    rival.model = nn.Sequential(*(m for m in rival.model if isinstance(m, nn.Conv2d)))
    for parameter in rival.parameters():
        nn.init.constant_(parameter, 0.1)
    pixels = torch.ones(1, 3, 256, 256, requires_grad=True)
    rival(pixels)[0, 0, 15, 15].backward()
    rows = pixels.grad[0, 0].abs().sum(1).nonzero()
    assert rows.max() - rows.min() + 1 == 70


@pytest.mark.parametrize('norm', ['instance', 'instance_affine'])
def test_it_starts_with_small_weights_and_no_biases(norm):
    rival = PatchDiscriminator(channels=16, norm=norm)
    rival.init_weights()
    parameters = list(rival.named_parameters())
    weights = torch.cat([w.flatten() for _, w in parameters if w.dim() == 4])
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert all((w == 0).all() for name, w in parameters if name.endswith('bias'))
    scales = [w for name, w in parameters if w.dim() == 1 and name.endswith('weight')]
    assert len(scales) == (3 if norm == 'instance_affine' else 0)
    assert all(abs(scale.mean() - 1) < 0.02 and scale.std() > 0.01 for scale in scales)


@pytest.mark.parametrize('layers', [1, 2, 3, 4, 5])
@pytest.mark.parametrize('padding', [1, 2])
def test_the_smallest_image_is_the_smallest(layers, padding):
    rival = PatchDiscriminator(channels=2, layers=layers, padding=padding)
    side = rival.min_size
    assert rival(torch.rand(1, 3, side, side)).numel() >= 1
    assert rival(torch.rand(1, 3, side, side + 5)).numel() >= 1
    with pytest.raises((RuntimeError, ValueError)):
        rival.model(torch.rand(1, 3, side - 1, side - 1))
    assert layers != 3 or padding != 1 or side == 24


def test_an_image_that_is_too_small_is_told():
    with pytest.raises(UserError, match=r'images are 20x64, .* sides of 24 pixels at least'):
        PatchDiscriminator(channels=2)(torch.rand(1, 3, 20, 64))
