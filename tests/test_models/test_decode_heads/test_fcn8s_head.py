"""FCN8s: the published count, logits at the size of any image, its layers written out."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor

from mmseg_da.models import FCN8sHead
from mmseg_da.registry import MODELS
from mmseg_da.structures import dense_forward, require_dense
from mmseg_da.testing import toy_batch

CONFIG = Path(__file__).resolve().parents[3] / 'configs/_base_/models/fcn8s.py'


def config(small: bool = True) -> Config:
    cfg = Config.fromfile(CONFIG).model
    cfg.backbone.init_cfg = None
    if small:
        cfg.backbone.update(base_channels=2, fc_channels=6, dropout=0.0)
        cfg.decode_head.update(in_channels=(3, 8, 16, 6), num_classes=4)
    return cfg


def build(**settings):
    torch.manual_seed(0)
    segmentor = MODELS.build(config(**settings))
    segmentor.init_weights()
    return segmentor


def wake_skips(head: FCN8sHead) -> None:
    """Give the skips weights that show after their scales."""
    torch.nn.init.normal_(head.score_pool3.weight, std=1e4)
    torch.nn.init.normal_(head.score_pool4.weight, std=1e2)
    torch.nn.init.normal_(head.score_pool3.bias)
    torch.nn.init.normal_(head.score_pool4.bias)


def test_it_has_the_published_number_of_parameters():
    with torch.device('meta'):
        segmentor = MODELS.build(config(small=False))
        images = torch.empty(1, 3, 512, 1024)
    assert sum(p.numel() for p in segmentor.parameters()) == 134_353_017
    dense = dense_forward(segmentor, images)
    assert dense.logits['decode'].shape == (1, 19, 512, 1024)
    assert dense.feats[-1].shape == (1, 4096, 17, 33)


def upsampled(x: Tensor, factor: int) -> Tensor:
    """Bilinear upsampling by a full matrix of kernels, one output channel per input channel."""
    size = 2 * factor
    line = torch.tensor([1 - abs(i - (factor - 0.5)) / factor for i in range(size)])
    weight = torch.zeros(x.shape[1], x.shape[1], size, size)
    for channel in range(x.shape[1]):
        weight[channel, channel] = torch.outer(line, line)
    return F.conv_transpose2d(x, weight, stride=factor)


def literal(head: FCN8sHead, images: Tensor, pool3: Tensor, pool4: Tensor, fc7: Tensor) -> Tensor:
    def cropped(x, like, start):
        (h, w) = like.shape[-2:]
        return x[:, :, start : start + h, start : start + w]

    score = upsampled(F.conv2d(fc7, head.conv_seg.weight, head.conv_seg.bias), 2)
    skip = F.conv2d(pool4 * 0.01, head.score_pool4.weight, head.score_pool4.bias)
    score = upsampled(score + cropped(skip, score, 5), 2)
    skip = F.conv2d(pool3 * 0.0001, head.score_pool3.weight, head.score_pool3.bias)
    score = upsampled(score + cropped(skip, score, 9), 8)
    return cropped(score, images, 31)


@pytest.mark.stack
def test_it_is_the_list_of_layers_of_the_paper():
    segmentor = build().eval()
    wake_skips(segmentor.decode_head)
    images = torch.randn(2, 3, 45, 70)
    feats = segmentor.extract_feat(images)
    logits = segmentor.decode_head(feats)
    torch.testing.assert_close(logits, literal(segmentor.decode_head, *feats))
    alone = literal(segmentor.decode_head, *(feats[0], 0 * feats[1], 0 * feats[2], feats[3]))
    assert (logits - alone).abs().mean() > 0.01


@pytest.mark.parametrize('height', [1, 7, 32, 57, 64, 100])
@pytest.mark.parametrize('width', [8, 33, 95, 128])
def test_logits_have_the_size_of_the_image(height, width):
    segmentor = build().eval()
    dense = dense_forward(segmentor, torch.randn(1, 3, height, width))
    assert dense.logits['decode'].shape == (1, 4, height, width)


def test_upsampling_is_bilinear():
    head = build().decode_head
    x = torch.randn(1, 4, 9, 9)
    for factor in (2, 8):
        kernel = getattr(head, f'bilinear{factor}')
        ours = F.conv_transpose2d(x, kernel.expand(4, -1, -1, -1), stride=factor, groups=4)
        inner = ours[..., factor // 2 : -factor // 2, factor // 2 : -factor // 2]
        theirs = F.interpolate(x, scale_factor=factor, mode='bilinear', align_corners=False)
        border = factor
        torch.testing.assert_close(
            inner[..., border:-border, border:-border],
            theirs[..., border:-border, border:-border],
        )


def test_a_shift_of_the_image_by_32_shifts_the_logits():
    segmentor = build().eval()
    wake_skips(segmentor.decode_head)
    dot = torch.zeros(1, 3, 128, 128)
    dot[..., 40:56, 40:56] = 5.0
    with torch.no_grad():
        empty, one, other = (
            dense_forward(segmentor, image).logits['decode']
            for image in (torch.zeros_like(dot), dot, dot.roll((32, 32), (2, 3)))
        )
    # without the 32 pixels that the first score of fc7 helps to fill without one before it
    inner = one[..., 32:96, 32:96], other[..., 64:, 64:]
    assert (inner[0] - empty[..., 32:96, 32:96]).abs().max() > 0.01
    torch.testing.assert_close(*inner, rtol=1e-3, atol=1e-4)


def test_the_kernels_are_neither_trained_nor_saved():
    head = build().decode_head
    assert not any('bilinear' in name for name in head.state_dict())
    assert {name.split('.')[0] for name, _ in head.named_parameters()} == {
        'conv_seg',
        'score_pool3',
        'score_pool4',
    }


def test_only_the_scores_of_fc7_start_off_zero():
    torch.manual_seed(1)
    head = MODELS.build(config().decode_head)
    score = head.conv_seg.weight.clone()
    head.init_weights()
    assert all((p == 0).all() for name, p in head.named_parameters() if 'pool' in name)
    assert torch.equal(head.conv_seg.weight, score)
    assert score.abs().min() > 0


@pytest.mark.stack
def test_it_trains_as_any_segmentor():
    segmentor = build().train()
    require_dense(segmentor)
    source = toy_batch(2)['source']
    images = torch.stack(source['inputs']).float() / 255
    losses = segmentor(images, source['data_samples'], mode='loss')
    losses['decode.loss_ce'].backward()
    assert all(p.grad.abs().sum() > 0 for p in segmentor.decode_head.parameters())
    assert segmentor.backbone.features[0].weight.grad.abs().sum() > 0
    (prediction,) = segmentor.eval()(images[:1], source['data_samples'][:1], mode='predict')
    logits = dense_forward(segmentor, images[:1]).logits['decode'][0]
    assert torch.equal(prediction.seg_logits.data, logits)  # nothing is left to resize
