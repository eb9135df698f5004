"""A segmentor of two scales: its passes, its size, its options."""

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from builders import build_wrappers
from hrda_builders import SIZE, toy_hrda, two_scales, wide
from mmengine.config import Config
from mmseg.structures import SegDataSample
from taught_builders import MIX

from mmseg_da.errors import UserError
from mmseg_da.functional import fuse
from mmseg_da.registry import MODELS
from mmseg_da.structures import dense_forward, encoder_images, predict_labels, require_dense
from mmseg_da.testing import counted_forwards, toy_alignment, toy_optim_wrapper, toy_pspnet

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def build(**settings):
    torch.manual_seed(0)
    segmentor = MODELS.build(toy_hrda(**settings))
    segmentor.init_weights()
    return segmentor.eval()


def images(*size, num=2):
    return torch.randn(num, 3, *size, generator=torch.Generator().manual_seed(1))


def millions(module):
    return sum(each.numel() for each in module.parameters()) / 1e6


def test_the_published_sizes():
    model = Config.fromfile(CONFIGS / '_base_/models/hrda_mitb5.py').model
    model.backbone.init_cfg = None
    segmentor = MODELS.build(model)
    attention = [*(c * 256 + 256 for c in (64, 128, 320, 512)), 1024 * 256, 2 * 256, 257 * 19]
    assert sum(each.numel() for each in segmentor.scale_attention.parameters()) == sum(attention)
    assert sum(attention) == 530_707
    assert round(millions(segmentor), 2) == 85.69
    assert round(millions(segmentor.decode_head), 2) == 3.71


@pytest.mark.parametrize('size', [(64, 128), (48, 80), (49, 83), (67, 64)])
def test_scores_are_those_of_the_formula(size):
    segmentor, seen = build().double(), images(*size).double()
    dense = dense_forward(segmentor, seen)
    fused, detail = dense.parts_of('decode')
    assert fused.logits is dense.logits['decode']
    assert (fused.weight, fused.box) == (0.9, None)
    assert detail.weight == 0.1
    top, bottom, left, right = detail.box
    assert top % 8 == left % 8 == 0
    assert (bottom - top, right - left) == tuple(side // 16 * 8 for side in size)

    padded = F.pad(seen, (0, -size[1] % 8, 0, -size[0] % 8))
    feats = segmentor.backbone(F.avg_pool2d(padded, 2))
    fine = segmentor.decode_head(segmentor.backbone(seen[:, :, top:bottom, left:right]))
    attention = segmentor.scale_attention(feats).sigmoid()
    cells = tuple(side // 4 for side in detail.box)
    expected = fuse(segmentor.decode_head(feats), fine, attention, cells)
    rows, columns = (-(-side // 4) for side in size)
    assert fused.logits.shape == (2, 4, rows, columns)
    assert torch.allclose(fused.logits, expected[..., :rows, :columns], rtol=0, atol=1e-12)
    assert torch.equal(detail.logits, fine)
    assert all(torch.equal(a, b) for a, b in zip(dense.feats, feats, strict=True))
    assert torch.equal(encoder_images(segmentor, seen), F.avg_pool2d(padded, 2))


def test_the_features_and_images_of_other_segmentors_are_whole():
    segmentor = MODELS.build(toy_pspnet())
    seen = images(64, 64)
    assert encoder_images(segmentor, seen) is seen
    assert [part.weight for part in dense_forward(segmentor, seen).parts_of('aux')] == [1.0]


def test_detached_outputs_have_no_parts():
    dense = dense_forward(build().train(), images(64, 128))
    assert dense.logits['decode'].requires_grad
    (whole,) = dense.detach(with_feats=False).parts_of('decode')
    assert (whole.weight, whole.box) == (1.0, None)
    assert not whole.logits.requires_grad


@torch.no_grad()
def test_elsewhere_windows_of_detail_cover_the_image():
    segmentor, seen = build().double(), images(64, 128).double()
    batches = []
    with torch.no_grad():
        feats = segmentor.backbone(F.avg_pool2d(seen, 2))
        hook = segmentor.backbone.register_forward_hook(lambda *each: batches.append(each[2][0]))
        scores = segmentor(seen, mode='tensor')
        hook.remove()
    assert [(len(each), *each.shape[2:]) for each in batches] == [(2, 8, 16), (9 * 2, 8, 16)]
    total, count = torch.zeros(2, 4, 16, 32).double(), torch.zeros(16, 32)
    for top in (0, 16, 32):
        for left in (0, 32, 64):
            crop = seen[:, :, top : top + 32, left : left + 64]
            there = slice(top // 4, top // 4 + 8), slice(left // 4, left // 4 + 16)
            total[..., there[0], there[1]] += segmentor.decode_head(segmentor.backbone(crop))
            count[there] += 1
    attention = segmentor.scale_attention(feats).sigmoid()
    expected = fuse(segmentor.decode_head(feats), total / count, attention)
    assert torch.allclose(scores, expected, rtol=0, atol=1e-12)
    up = F.interpolate(expected, (64, 128), mode='bilinear')
    assert torch.equal(predict_labels(segmentor, seen), up.argmax(dim=1))
    assert segmentor.draws.steps == 0


@pytest.mark.parametrize('most', [1, 2, 4, 100])
def test_windows_in_chunks_say_the_same(most):
    whole, chunked = build().double(), build(window_batch=most).double()
    seen = images(64, 128).double()
    with counted_forwards(chunked.backbone) as count:
        chunks = chunked(seen, mode='tensor')
    assert count.value == 1 + -(-9 // most)
    assert torch.allclose(whole(seen, mode='tensor'), chunks, rtol=0, atol=1e-12)


def test_windows_may_lie_side_by_side():
    segmentor, seen = build(overlap=False), images(64, 128)
    sizes = []
    segmentor.backbone.register_forward_hook(lambda *each: sizes.append(len(each[1][0])))
    segmentor(seen, mode='tensor')
    assert sizes == [2, 8]


@pytest.mark.parametrize('size', [(64, 128), (49, 83), (16, 16), (30, 200)])
def test_it_predicts_images_of_any_size(size):
    segmentor = build(detail_crop=(32, 32))
    samples = [SegDataSample(metainfo=dict(img_shape=size, ori_shape=size)) for _ in range(2)]
    seen = images(*size)
    with torch.no_grad():
        predicted = segmentor.predict(seen, samples)
        scores = F.interpolate(segmentor(seen, mode='tensor'), size, mode='bilinear')
    assert torch.equal(torch.stack([each.seg_logits.data for each in predicted]), scores)


def test_each_forward_draws_its_box_and_a_copy_goes_on_alike():
    segmentor, seen = build(), images(64, 128)

    def boxes(which, count):
        return [dense_forward(which, seen).parts_of('decode')[1].box for _ in range(count)]

    first = boxes(segmentor, 3)
    other = build()
    other.load_state_dict(copy.deepcopy(segmentor.state_dict()))
    generator = torch.get_rng_state()
    following = boxes(segmentor, 5)
    assert boxes(other, 5) == following
    assert torch.equal(torch.get_rng_state(), generator)
    assert len({*first, *following}) > 3
    assert segmentor.draws.steps == 8


def test_weights_without_a_count_load_strictly():
    segmentor = build()
    dense_forward(segmentor, images(64, 128))
    state = {k: v for k, v in segmentor.state_dict().items() if not k.startswith('draws.')}
    segmentor.load_state_dict(state)
    assert segmentor.draws.steps == 1


def test_the_teacher_does_not_draw_and_leaves_the_segmentors_draws():
    adaptor = two_scales(dict(mix=MIX))
    own = build_wrappers(adaptor, toy_optim_wrapper(rivals=False))
    for step in range(2):
        adaptor.train_step(wide(step), own)
    assert adaptor.segmentor.draws.steps == 4  # of the source and of the mixture
    assert adaptor.teacher.net.draws.steps == 0


def test_it_trains_without_an_adaptor_on_the_same_loss():
    segmentor = build().train()
    batch = wide()['source']
    seen = images(*SIZE)
    losses = segmentor.loss(seen, batch['data_samples'])
    segmentor.draws.steps.zero_()
    segmentor.draws.load_state_dict(segmentor.draws.state_dict())
    dense = dense_forward(segmentor, seen)
    labels = torch.cat([each.gt_sem_seg.data for each in batch['data_samples']])
    (fused, detail), total = dense.parts_of('decode'), 0.0
    for part in (fused, detail):
        top, bottom, left, right = part.box or (0, SIZE[0], 0, SIZE[1])
        there = labels[:, top:bottom, left:right]
        scores = F.interpolate(part.logits, there.shape[1:], mode='bilinear')
        total += part.weight * F.cross_entropy(scores, there, ignore_index=255)
    assert losses['decode.loss_ce'].item() == pytest.approx(total.item(), rel=1e-5)
    assert list(losses) == ['decode.loss_ce', 'decode.acc_seg']


def test_the_context_may_take_a_share_of_the_loss():
    segmentor = build(detail_weight=0.2, context_weight=0.3)
    fused, detail, context = dense_forward(segmentor, images(64, 128)).parts_of('decode')
    assert [round(each.weight, 6) for each in (fused, detail, context)] == [0.5, 0.2, 0.3]
    assert context.box is None
    assert context.logits.shape == (2, 4, 8, 16)


def test_any_backbone_and_head_will_do():
    plain = toy_pspnet()
    plain.update(type='HRDAEncoderDecoder', auxiliary_head=None, detail_crop=0.5, multiple=16)
    head = dict(type='FCNHead', channels=8, num_convs=1, kernel_size=1, concat_input=False)
    segmentor = MODELS.build(plain | dict(scale_attention=head))
    require_dense(segmentor)
    assert dense_forward(segmentor, images(64, 128)).logits['decode'].shape == (2, 4, 8, 16)
    assert segmentor(images(50, 70), mode='tensor').shape == (2, 4, 7, 9)


WRONG = [
    (dict(context_scale=0.3), 'context_scale is 0.3, but has to be one over a whole number'),
    (dict(context_scale=1.0), 'context_scale is 1.0'),
    (dict(multiple=7), 'multiple is 7, but has to be a multiple of 2'),
    (dict(multiple=8.0), 'multiple is 8.0'),
    (dict(detail_crop=(30, 32)), r'detail_crop is \(30, 32\), but has to be a height and a width'),
    (dict(detail_crop=512), 'detail_crop is 512'),
    (dict(detail_crop=0.0), 'detail_crop is 0.0'),
    (dict(detail_weight=1.5), 'detail_weight is 1.5'),
    (dict(detail_weight=True), 'detail_weight is True'),
    (dict(detail_weight=0.6, context_weight=0.5), 'context_weight is 0.5, but has to be at most'),
    (dict(overlap=1), 'overlap is 1'),
    (dict(window_batch=0), 'window_batch is 0'),
    (dict(auxiliary_head=dict(type='FCNHead')), 'auxiliary_head is set'),
]


@pytest.mark.parametrize(('settings', 'message'), WRONG)
def test_wrong_options_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        build(**settings)


def test_an_attention_of_other_channels_is_refused():
    cfg = toy_hrda()
    cfg['scale_attention'] = cfg['scale_attention'] | dict(num_classes=3)
    with pytest.raises(UserError, match='scale_attention has 3 channels, but decode_head has 4'):
        MODELS.build(cfg)


def test_images_below_the_detail_are_refused_in_training_alone():
    segmentor = build(detail_crop=(64, 64))
    with pytest.raises(UserError, match='training images are 48x80 pixels, but detail_crop is 64'):
        dense_forward(segmentor, images(48, 80))
    assert segmentor(images(48, 80), mode='tensor').shape == (2, 4, 12, 20)
    assert segmentor.draws.steps == 0


def test_a_multiple_that_is_no_cell_of_the_context_is_refused():
    segmentor = build(multiple=4)
    for ask in (lambda x: dense_forward(segmentor, x), lambda x: segmentor(x, mode='tensor')):
        with pytest.raises(UserError, match=r'multiple is 4, .* a stride of 4: set .* of 8'):
            ask(images(64, 128))


def test_other_methods_see_the_fused_scores():
    adaptor = two_scales(dict(adv=toy_alignment()), teacher=None)
    own = build_wrappers(adaptor)
    logs = [adaptor.train_step(wide(step), own) for step in range(2)]
    assert all(torch.isfinite(value) for each in logs for value in each.values())
    assert any(key.startswith('adv.loss') for key in logs[0])
    assert adaptor.segmentor.draws.steps == 4  # source and target


@pytest.mark.stack
def test_half_precision_is_close():
    segmentor, seen = build(), images(64, 128)
    with torch.no_grad():
        exact = segmentor(seen, mode='tensor')
        with torch.autocast('cpu', torch.bfloat16):
            rough = segmentor(seen, mode='tensor')
            dense = dense_forward(segmentor, seen)
    assert torch.isfinite(dense.logits['decode']).all()
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


def test_an_attention_of_another_level_is_resized():
    coarse = dict(type='FCNHead', channels=8, num_convs=0, concat_input=False)
    coarse |= dict(in_channels=8, in_index=2)
    segmentor = build(scale_attention=coarse)
    assert dense_forward(segmentor, images(64, 128)).logits['decode'].shape == (2, 4, 16, 32)
    assert segmentor(images(64, 128), mode='tensor').shape == (2, 4, 16, 32)
