"""DRN-26: the published count and sizes, its layers written out, and the released weights' names."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.models import DRN
from mmseg_da.registry import MODELS
from mmseg_da.structures import dense_forward, require_dense
from mmseg_da.testing import toy_batch

CONFIG = Path(__file__).resolve().parents[3] / 'configs/_base_/models/drn26.py'
BLOCKS = (1, 1, 2, 2, 2, 2, 1, 1)


def config(base_channels: int = 16) -> Config:
    cfg = Config.fromfile(CONFIG).model
    cfg.backbone.base_channels = base_channels
    cfg.decode_head.update(in_channels=32 * base_channels, channels=32 * base_channels)
    cfg.backbone.init_cfg = None
    return cfg


def test_it_has_the_published_number_of_parameters_and_an_eighth_of_the_resolution():
    with torch.device('meta'):
        segmentor = MODELS.build(config())
        images = torch.empty(1, 3, 512, 1024)
    assert sum(p.numel() for p in segmentor.parameters()) == 20_623_331
    assert all(p.requires_grad for p in segmentor.parameters())
    dense = dense_forward(segmentor, images)
    assert dense.feats[-1].shape == (1, 512, 64, 128)
    assert dense.logits['decode'].shape == (1, 19, 64, 128)


@pytest.mark.parametrize(('height', 'width'), [(64, 96), (33, 71), (8, 9)])
def test_odd_sizes_are_rounded_up(height, width):
    (features,) = DRN(base_channels=1)(torch.rand(2, 3, height, width))
    assert features.shape == (2, 32, -(-height // 8), -(-width // 8))


def literal(state: dict, x: torch.Tensor) -> list[torch.Tensor]:
    """The features of every level by functions, in training mode."""

    def conv(name, x, **how):
        return F.conv2d(x, state[f'{name}.weight'], **how)

    def norm(name, x):
        none = torch.zeros(x.shape[1]), torch.ones(x.shape[1])
        return F.batch_norm(x, *none, state[f'{name}.weight'], state[f'{name}.bias'], training=True)

    x = norm('bn1', conv('conv1', x, padding=3)).relu()
    levels = []
    strides, dilations = (1, 2, 2, 2, 1, 1, 1, 1), (1, 1, 1, 1, 2, 4, 2, 1)
    for level, (stride, d) in enumerate(zip(strides, dilations, strict=True), start=1):
        for block in range(BLOCKS[level - 1]):
            name = f'layer{level}.{block}'
            s = stride if block == 0 else 1
            y = conv(f'{name}.conv1', x, stride=s, padding=d, dilation=d)
            y = conv(f'{name}.conv2', norm(f'{name}.bn1', y).relu(), padding=d, dilation=d)
            y = norm(f'{name}.bn2', y)
            if level <= 6:
                if f'{name}.downsample.0.weight' in state:
                    x = norm(f'{name}.downsample.1', conv(f'{name}.downsample.0', x, stride=s))
                y = y + x
            x = y.relu()
        levels.append(x)
    return levels


@pytest.mark.stack
def test_it_is_the_list_of_layers_of_the_paper():
    backbone = DRN(base_channels=2, out_indices=range(8))
    backbone.init_weights()
    images = torch.randn(2, 3, 40, 56)
    expected = literal(dict(backbone.named_parameters()), images)
    features = backbone(images)
    assert len(features) == 8
    for ours, theirs in zip(features, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    end = '.downsample.0.weight'
    downsampled = [key.removesuffix(end) for key in backbone.state_dict() if key.endswith(end)]
    assert downsampled == [f'layer{level}.0' for level in (2, 3, 4, 5, 6)]


@pytest.mark.stack
def test_it_trains_as_any_segmentor():
    segmentor = MODELS.build(config(base_channels=1)).train()
    require_dense(segmentor)
    segmentor.init_weights()
    source = toy_batch(2)['source']
    images = torch.stack(source['inputs']).float() / 255
    for sample in source['data_samples']:
        sample.gt_sem_seg.data[sample.gt_sem_seg.data == 255] = 0
    losses = segmentor(images, source['data_samples'], mode='loss')
    losses['decode.loss_ce'].backward()
    assert all(p.grad.abs().sum() > 0 for p in segmentor.decode_head.parameters())
    assert segmentor.backbone.conv1.weight.grad.abs().sum() > 0
    assert segmentor.backbone.bn1.running_mean.abs().sum() > 0
    (prediction,) = segmentor.eval()(images[:1], source['data_samples'][:1], mode='predict')
    assert prediction.seg_logits.data.shape == (19, *images.shape[-2:])


def test_its_classifier_is_one_convolution():
    segmentor = MODELS.build(config(base_channels=1))
    head = segmentor.decode_head
    assert [name for name, _ in head.named_parameters()] == ['conv_seg.weight', 'conv_seg.bias']
    assert head.conv_seg.kernel_size == (1, 1)
    assert head.align_corners
    assert not any(isinstance(m, nn.Dropout2d) and m.p for m in segmentor.modules())


def test_it_starts_as_released():
    backbone = DRN(base_channels=8)
    backbone.init_weights()
    for layer in (backbone.conv1, backbone.layer6[1].conv2, backbone.layer5[0].downsample[0]):
        fan_out = layer.weight.shape[0] * layer.weight[0, 0].numel()
        assert layer.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
    head = MODELS.build(config()).decode_head
    head.init_weights()
    assert head.conv_seg.weight.std().item() == pytest.approx((2 / 19) ** 0.5, rel=0.05)
    assert (head.conv_seg.bias == 0).all()


def test_the_released_weights_load_without_their_classifier(tmp_path):
    trained = DRN(base_channels=2)
    state = trained.state_dict() | {
        'fc.weight': torch.zeros(9, 64, 1, 1),
        'fc.bias': torch.zeros(9),
    }
    torch.save(state, tmp_path / 'drn.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'drn.pth'))
    backbone = DRN(base_channels=2, init_cfg=init)
    backbone.init_weights()
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())
    assert {'conv1.weight', 'bn1.bias', 'layer3.1.conv2.weight', 'layer8.0.bn2.weight'} <= set(
        state
    )


def test_settings_that_cannot_be_are_told():
    with pytest.raises(UserError, match='eight numbers'):
        DRN(blocks=(1, 1, 2))
    with pytest.raises(UserError, match='of 0 to 7'):
        DRN(out_indices=(8,))
