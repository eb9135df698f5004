"""The VGG-16 of FCN8s: its layers are torchvision's, and so are the names of its weights."""

import pytest
import torch
from torch import nn

from mmseg_da.models import FCNVGG16

SMALL = dict(base_channels=2, fc_channels=6)


def test_it_has_the_published_number_of_parameters():
    with torch.device('meta'):
        backbone = FCNVGG16()
    numbers = [sum(p.numel() for p in part.parameters()) for part in backbone.children()]
    # torchvision's VGG-16 has 138,357,544, of which its classifier of 1000 classes 4,097,000
    assert sum(numbers) == 138_357_544 - 4_097_000
    assert numbers[0] == 14_714_688


@pytest.mark.stack
def test_it_is_the_list_of_layers_of_the_paper():
    backbone = FCNVGG16(**SMALL).eval()
    backbone.init_weights()
    images = torch.randn(2, 3, 21, 40)
    x = nn.functional.pad(images, [99] * 4)
    weights = iter(backbone.parameters())
    pools = []
    for number in (2, 2, 3, 3, 3):
        for _ in range(number):
            x = nn.functional.conv2d(x, next(weights), next(weights), padding=1).relu()
        x = nn.functional.max_pool2d(x, 2, ceil_mode=True)
        pools.append(x)
    for _ in range(2):
        x = nn.functional.conv2d(x, next(weights), next(weights)).relu()
    feats = backbone(images)
    assert feats[0] is images
    for ours, theirs in zip(feats[1:], (pools[2], pools[3], x), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert [feat.shape[1] for feat in feats] == [3, 8, 16, 6]


def test_dropout_takes_whole_channels_of_fc6_and_fc7():
    backbone = FCNVGG16(base_channels=1, fc_channels=64, dropout=0.25)
    drops = [m for m in backbone.modules() if isinstance(m, nn.Dropout2d)]
    assert [drop.p for drop in drops] == [0.25, 0.25]
    assert isinstance(backbone.classifier[-1], nn.Dropout2d)  # what looks at fc7 sees it dropped


def vgg16_file(path) -> dict:
    """A file with the names and shapes of torchvision's VGG-16, all narrower."""
    state = {f'features.{i}.{k}': v for i, k, v in _convolutions()}
    for i, shape in {0: (6, 16 * 49), 3: (6, 6), 6: (9, 6)}.items():
        state[f'classifier.{i}.weight'] = torch.randn(shape)
        state[f'classifier.{i}.bias'] = torch.randn(shape[0])
    torch.save(state, path)
    return state


def _convolutions():
    before, place = 3, 0
    for width, number in ((2, 2), (4, 2), (8, 3), (16, 3), (16, 3)):
        for _ in range(number):
            yield place, 'weight', torch.randn(width, before, 3, 3)
            yield place, 'bias', torch.randn(width)
            before, place = width, place + 2
        place += 1


@pytest.mark.stack
def test_torchvisions_weights_load_matrices_included(tmp_path):
    state = vgg16_file(tmp_path / 'vgg16.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'vgg16.pth'))
    backbone = FCNVGG16(**SMALL, init_cfg=init).eval()
    backbone.init_weights()
    ours = backbone.state_dict()
    assert set(state) - set(ours) == {'classifier.6.weight', 'classifier.6.bias'}
    assert all(torch.equal(value.flatten(), state[key].flatten()) for key, value in ours.items())
    pooled = torch.randn(1, 16, 7, 7)  # where a fully connected layer sees a map as it is
    expected = nn.functional.linear(
        pooled.flatten(1), state['classifier.0.weight'], state['classifier.0.bias']
    )
    torch.testing.assert_close(
        backbone.classifier[0](pooled).flatten(1), expected, rtol=1e-4, atol=1e-4
    )


def test_its_own_checkpoint_loads_as_it_is():
    one, other = FCNVGG16(**SMALL), FCNVGG16(**SMALL)
    other.load_state_dict(one.state_dict())
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
