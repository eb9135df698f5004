"""Both generators against layer lists written out from the papers, their sizes and their start."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.models import ResnetGenerator, UnetGenerator
from mmseg_da.registry import MODELS

SMALL_RESNET, SMALL_UNET = dict(blocks=2, channels=4), dict(downs=6, channels=4)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ('cfg', 'number'),
    [
        (dict(type='ResnetGenerator'), 11_378_179),
        (dict(type='ResnetGenerator', blocks=6), 7_837_699),
        (dict(type='UnetGenerator'), 54_409_603),
    ],
)
def test_it_has_the_published_number_of_parameters(cfg, number):
    with torch.device('meta'):
        generator = MODELS.build(cfg)
        images = torch.empty(1, 3, 256, 512)
    assert count(generator) == number
    assert generator(images).shape == images.shape


class Added(nn.Module):
    """A block that is added to its input."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.layers(x)


def literal_resnet(blocks: int, c: int, affine: bool) -> nn.Sequential:
    bias = not affine

    def normed(channels):
        return nn.InstanceNorm2d(channels, affine=affine)

    def block():
        return Added(
            nn.ReflectionPad2d(1),
            nn.Conv2d(4 * c, 4 * c, 3, bias=bias),
            normed(4 * c),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(4 * c, 4 * c, 3, bias=bias),
            normed(4 * c),
        )

    return nn.Sequential(
        nn.ReflectionPad2d(3),
        nn.Conv2d(3, c, 7, bias=bias),
        normed(c),
        nn.ReLU(),
        nn.Conv2d(c, 2 * c, 3, stride=2, padding=1, bias=bias),
        normed(2 * c),
        nn.ReLU(),
        nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1, bias=bias),
        normed(4 * c),
        nn.ReLU(),
        *(block() for _ in range(blocks)),
        nn.ConvTranspose2d(4 * c, 2 * c, 3, 2, padding=1, output_padding=1, bias=bias),
        normed(2 * c),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * c, c, 3, 2, padding=1, output_padding=1, bias=bias),
        normed(c),
        nn.ReLU(),
        nn.ReflectionPad2d(3),
        nn.Conv2d(c, 3, 7),
        nn.Tanh(),
    )


@pytest.mark.stack
@pytest.mark.parametrize('norm', ['instance', 'instance_affine'])
def test_the_resnet_is_the_list_of_layers_of_the_paper(norm):
    ours = ResnetGenerator(norm=norm, **SMALL_RESNET)
    ours.init_weights()
    theirs = literal_resnet(2, 4, affine=norm == 'instance_affine')
    weights = zip(theirs.state_dict(), ours.state_dict().values(), strict=True)
    theirs.load_state_dict(dict(weights))
    images = torch.rand(2, 3, 24, 32) * 2 - 1
    translated = ours(images)
    assert torch.equal(translated, theirs(images))
    translated.square().mean().backward()
    theirs(images).square().mean().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-7)


def literal_unet(x, weights, downs):
    """A U-Net by functions, each activation out of place; weights by level, outermost first."""
    below = []
    for depth in range(downs):
        seen = x if depth == 0 else F.leaky_relu(x, 0.2)
        x = F.conv2d(seen, *weights[depth]['down'], stride=2, padding=1)
        if 0 < depth < downs - 1:
            x = F.instance_norm(x)
        below.append(x)
    for depth in reversed(range(downs)):
        if depth < downs - 1:
            x = torch.cat([below[depth], x], dim=1)
        x = F.conv_transpose2d(x.relu(), *weights[depth]['up'], stride=2, padding=1)
        x = x.tanh() if depth == 0 else F.instance_norm(x)
    return x


@pytest.mark.stack
def test_the_unet_is_the_list_of_layers_of_the_paper():
    ours = UnetGenerator(**SMALL_UNET)
    ours.init_weights()
    weights, level = [], ours.model
    while level is not None:
        within = [layer for layer in level.model if hasattr(layer, 'model')]
        down, up = (
            next(layer for layer in level.model if isinstance(layer, kind))
            for kind in (nn.Conv2d, nn.ConvTranspose2d)
        )
        weights.append(dict(down=(down.weight, down.bias), up=(up.weight, up.bias)))
        level = within[0] if within else None
    assert [layer['down'][0].shape[0] for layer in weights] == [4, 8, 16, 32, 32, 32]
    assert sum(w.numel() for layer in weights for pair in layer.values() for w in pair) == count(
        ours
    )
    images = torch.rand(2, 3, 64, 128) * 2 - 1
    before = images.clone()
    expected = literal_unet(images, weights, 6)
    gradients = torch.autograd.grad(expected.square().mean(), list(ours.parameters()))
    translated = ours(images)
    torch.testing.assert_close(translated, expected)
    assert torch.equal(images, before)  # the activations in place must not reach the images
    translated.square().mean().backward()
    for parameter, gradient in zip(ours.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize('norm', ['instance', 'instance_affine'])
@pytest.mark.parametrize(
    ('kind', 'settings'),
    [(ResnetGenerator, dict(channels=16)), (UnetGenerator, dict(downs=5, channels=16))],
)
def test_it_starts_with_small_weights_and_no_biases(kind, settings, norm):
    generator = kind(norm=norm, **settings)
    generator.init_weights()
    named = dict(generator.named_parameters())
    weights = torch.cat([w.flatten() for name, w in named.items() if w.dim() == 4])
    assert weights.mean().item() == pytest.approx(0, abs=1e-4)
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    biases = [w for name, w in named.items() if name.endswith('bias')]
    assert biases
    assert all((bias == 0).all() for bias in biases)
    scales = [w for name, w in named.items() if name.endswith('weight') and w.dim() == 1]
    assert bool(scales) == (norm == 'instance_affine')
    if scales:
        assert torch.cat(scales).mean().item() == pytest.approx(1, abs=0.01)
        assert torch.cat(scales).std().item() == pytest.approx(0.02, rel=0.25)


def test_a_checkpoint_outlasts_the_first_weights(tmp_path):
    trained = ResnetGenerator(**SMALL_RESNET)
    torch.save(trained.state_dict(), tmp_path / 'g.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'g.pth'))
    generator = ResnetGenerator(**SMALL_RESNET, init_cfg=init)
    generator.init_weights()
    assert all(map(torch.equal, generator.state_dict().values(), trained.state_dict().values()))


def test_parameters_are_named_as_in_the_released_code():
    names = set(ResnetGenerator(blocks=9, channels=1).state_dict())
    assert names == {
        *(f'model.{i}.{kind}' for i in (1, 4, 7, 19, 22, 26) for kind in ('weight', 'bias')),
        *(
            f'model.{i}.conv_block.{j}.{kind}'
            for i in range(10, 19)
            for j in (1, 5)
            for kind in ('weight', 'bias')
        ),
    }
    assert list(UnetGenerator(downs=3, channels=1).state_dict())[::2] == [
        'model.model.0.weight',
        'model.model.1.model.1.weight',
        'model.model.1.model.3.model.1.weight',
        'model.model.1.model.3.model.3.weight',
        'model.model.1.model.5.weight',
        'model.model.3.weight',
    ]


def test_dropout_is_where_the_paper_has_it():
    resnet = ResnetGenerator(blocks=3, channels=2, dropout=0.25)
    drops = [m for m in resnet.modules() if isinstance(m, nn.Dropout)]
    assert [drop.p for drop in drops] == [0.25] * 3
    unet = UnetGenerator(channels=1, dropout=0.5)
    names = [name for name, m in unet.named_modules() if isinstance(m, nn.Dropout)]
    # levels 5, 6 and 7 of 8; the outermost is `model`, each further one adds `.model.<place>`
    assert sorted(name.count('.model') for name in names) == [5, 6, 7]
    assert not any(isinstance(m, nn.Dropout) for m in ResnetGenerator(channels=2).modules())


@pytest.mark.parametrize(
    ('generator', 'size', 'fits'),
    [
        (ResnetGenerator(**SMALL_RESNET), (90, 130), '88x128'),
        (ResnetGenerator(**SMALL_RESNET), (4, 32), '8x32'),
        (UnetGenerator(**SMALL_UNET), (64, 96), '64x64'),
        (UnetGenerator(**SMALL_UNET), (40, 200), '64x192'),
    ],
)
def test_an_image_that_does_not_fit_is_told(generator, size, fits):
    with pytest.raises(UserError) as error:
        generator(torch.zeros(1, 3, *size))
    message = str(error.value)
    assert message.startswith(f'images are {size[0]}x{size[1]}, but {type(generator).__name__}')
    assert f'multiples of {generator.divisor}' in message
    assert f'set the crop to {fits} ' in message
    height, width = map(int, fits.split('x'))
    images = torch.rand(1, 3, height, width)
    assert generator(images).shape == images.shape


@pytest.mark.parametrize(
    'generator', [ResnetGenerator(**SMALL_RESNET), UnetGenerator(**SMALL_UNET)]
)
def test_the_smallest_image_is_the_smallest(generator):
    side = generator.min_size
    assert generator(torch.rand(1, 3, side, side)).shape == (1, 3, side, side)
    smaller = side - generator.divisor or side // 2
    with pytest.raises((RuntimeError, ValueError)):
        generator.model(torch.rand(1, 3, smaller, smaller))


def test_unknown_settings_are_told():
    with pytest.raises(UserError, match="norm='batch' is none of"):
        ResnetGenerator(norm='batch')
    with pytest.raises(UserError, match='2 levels at least'):
        UnetGenerator(downs=1)


def test_it_can_halve_the_image_once():
    generator = ResnetGenerator(blocks=1, channels=4, downs=1).eval()
    strides = [
        (type(layer).__name__, layer.in_channels, layer.out_channels)
        for layer in generator.modules()
        if getattr(layer, 'stride', (1, 1)) == (2, 2)
    ]
    assert strides == [('Conv2d', 4, 8), ('ConvTranspose2d', 8, 4)]
    assert (generator.divisor, generator.min_size) == (2, 4)
    images = torch.rand(1, 3, 4, 10)
    assert generator(images).shape == images.shape
    with pytest.raises(UserError, match='downs=0'):
        ResnetGenerator(downs=0)
