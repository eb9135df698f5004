"""VFM-UDA against its plain iteration, and what is new in it alone."""

import copy

import pytest
import torch
from builders import build_wrappers, state_gap
from drawing import Drawn, draws_by_image, with_masked_forward
from host_sync import Watch
from hrda_builders import toy_hrda
from literal.vfm import LiteralVFM, jittered
from taught_builders import SIZE, alike, build

from mmseg_da.errors import UserError
from mmseg_da.functional import photometric_jitter
from mmseg_da.testing import counted_forwards, toy_preprocessor

THRESHOLD, RATIO, LR = 0.3, 0.7, 1e-3
WEAK = [32 / 255, 0.5, 0.5, 18 / 360]
IMAGEWISE = dict(photometric=True, each_image=True, threshold=THRESHOLD)
OBJECTIVES = dict(
    seg=dict(type='JitteredSupervision', jitter=WEAK),
    mix=dict(type='SelfTraining', classes='batch', target_jitter=WEAK, **IMAGEWISE),
    mask=dict(type='MaskedConsistency', where='tokens', ratio=RATIO, **IMAGEWISE),
)


def toy_vit():
    return dict(
        type='EncoderDecoder',
        backbone=dict(
            type='DINOv2', embed_dims=16, num_layers=2, num_heads=2, patch_size=7, img_size=28
        ),
        decode_head=dict(
            type='UpscaleHead',
            in_channels=16,
            num_classes=4,
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def make(objectives=OBJECTIVES, teacher=None, **others):
    teacher = dict(alpha=0.9, flips=True) if teacher is None else teacher
    adaptor = build(objectives, toy_vit(), teacher=teacher, **others).double()
    for layer in (*adaptor.segmentor.backbone.layers, *adaptor.teacher.net.backbone.layers):
        layer.scale1.data.fill_(0.5)
        layer.scale2.data.fill_(0.5)
    return adaptor


def wrappers(adaptor):
    custom = dict(backbone=dict(lr_mult=0.1))
    optimizer = dict(type='AdamW', lr=LR, weight_decay=0.01)
    own = dict(optimizer=optimizer, paramwise_cfg=dict(custom_keys=custom))
    return build_wrappers(
        adaptor,
        dict(constructor='PartwiseOptimWrapperConstructor', type='OptimWrapper', segmentor=own),
    )


def literal_of(adaptor, **changed):
    clone = copy.deepcopy(adaptor)
    with_masked_forward(clone.segmentor.backbone)
    settings = dict(alpha=0.9, threshold=THRESHOLD, ratio=RATIO, lr=LR) | changed
    return Drawn(
        clone, lambda draws: LiteralVFM(clone.segmentor, draws=draws, **settings), draws_by_image
    )


@pytest.mark.parametrize('backward', ['stages', 'summed'])
def test_ten_iterations_equal_the_plain_ones(backward):
    adaptor = make(backward=backward)
    assert adaptor.segmentor.backbone.grid(*SIZE) == (7, 12)
    literal, own = literal_of(adaptor), wrappers(adaptor)
    for seed in range(10):
        with (
            counted_forwards(adaptor.segmentor.backbone) as student,
            counted_forwards(adaptor.teacher.net.backbone) as teacher,
        ):
            logs = adaptor.train_step(alike(seed=seed), own)
        assert (student.value, teacher.value) == (3, 2)
        theirs = literal.step(alike(seed=seed))
        assert logs['seg.decode.loss_ce'].item() == pytest.approx(theirs['supervised'], rel=1e-9)
        assert logs['mix.decode.loss_ce'].item() == pytest.approx(theirs['mix'], rel=1e-9)
        assert logs['mask.decode.loss_ce'].item() == pytest.approx(theirs['mask'], rel=1e-9)
    assert state_gap(adaptor.segmentor, literal.literal.net) <= 1e-9
    assert state_gap(adaptor.teacher.net, literal.literal.teacher.net) <= 1e-9
    assert state_gap(adaptor.segmentor, adaptor.teacher.net) > 1e-5


@pytest.mark.parametrize('wrong', [dict(threshold=0.9), dict(ratio=0.5), dict(alpha=0.5)])
def test_another_setting_shows(wrong):
    adaptor = make()
    literal, own = literal_of(adaptor, **wrong), wrappers(adaptor)
    for seed in range(3):
        adaptor.train_step(alike(seed=seed), own)
        literal.step(alike(seed=seed))
    students = state_gap(adaptor.segmentor, literal.literal.net)
    assert max(students, state_gap(adaptor.teacher.net, literal.literal.teacher.net)) > 1e-7


def test_a_resume_goes_on_exactly():
    whole, resumed = make(), make(seed=5)
    own, theirs = wrappers(whole), wrappers(resumed)
    for seed in range(2):
        whole.train_step(alike(seed=seed), own)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    theirs.load_state_dict(copy.deepcopy(own.state_dict()))
    for seed in range(2, 4):
        whole.train_step(alike(seed=seed), own)
        resumed.train_step(alike(seed=seed), theirs)
    assert state_gap(whole, resumed) == 0


def test_it_does_not_wait_for_the_device():
    adaptor = make()
    own = wrappers(adaptor)
    adaptor.train_step(alike(), own)
    batch = alike(seed=1)
    with Watch() as watch:
        adaptor.train_step(batch, own)
    assert watch.ours == []


def test_the_mean_over_mirrored_images():
    adaptor = make()
    step = adaptor.begin_step(adaptor.data_preprocessor(alike(), training=True))
    _, sure = step.teaching.verdict
    alone = make(teacher=dict(alpha=0.9))
    alone.load_state_dict(adaptor.state_dict())
    other = alone.begin_step(alone.data_preprocessor(alike(), training=True))
    assert not torch.equal(other.teaching.verdict[1], sure)
    # Of images that are their own mirror images nothing changes.
    symmetric = step.target.images + step.target.images.flip(-1)
    step.teaching._images = other.teaching._images = symmetric
    for each in (step, other):
        each.teaching.__dict__.pop('verdict')
    mirrored = step.teaching.verdict[1]
    torch.testing.assert_close(mirrored, mirrored.flip(-1))


def test_jitter_is_drawn_for_each_image():
    term = make().objectives['mix']
    step_like = make()
    step = step_like.begin_step(step_like.data_preprocessor(alike(4), training=True))
    images, shares = step.target.images, []
    for number in range(100):
        changed = term.jittered(step, images, (0, number), [0.2] * 4, 0.8)
        shares.append([not torch.equal(a, b) for a, b in zip(changed, images, strict=True)])
    found = torch.tensor(shares).double()
    assert found.mean().item() == pytest.approx(0.8, abs=0.08)
    assert 0 < (found.sum(1) % 4 != 0).double().mean() < 1  # not all or none of a batch


@pytest.mark.parametrize('seed', range(4))
def test_the_jitter_is_the_textbooks(seed):
    torch.manual_seed(seed)
    image, factors = torch.rand(3, 9, 11, dtype=torch.double), [1.1, 0.7, 1.4, 0.04]
    order = torch.randperm(4).tolist()
    found = photometric_jitter(image, factors, order)
    torch.testing.assert_close(found, jittered(image, factors, order), rtol=0, atol=1e-12)
    assert photometric_jitter(image, [1, 1, 1, 0], order).allclose(image)


def test_supervision_counts_labelled_pixels_alone():
    adaptor = make(dict(seg=dict(type='JitteredSupervision', jitter_prob=0.0)))
    batch = alike()
    for sample in batch['source']['data_samples']:
        sample.gt_sem_seg.data[:, 10:] = 255
    step = adaptor.begin_step(adaptor.data_preprocessor(batch, training=True))
    loss = adaptor.objectives['seg'].losses(step)['decode.loss_ce']
    scores = torch.nn.functional.interpolate(
        adaptor.segmentor(step.source.images, mode='tensor'), SIZE, mode='bilinear'
    )
    expected = torch.nn.functional.cross_entropy(scores, step.source.labels, ignore_index=255)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize(
    ('objective', 'said'),
    [
        (OBJECTIVES['mask'] | dict(where='blocks'), "where is 'blocks'"),
        (OBJECTIVES['mix'] | dict(target_jitter=[0.1]), r'target_jitter is \[0.1\]'),
        (OBJECTIVES['mix'] | dict(each_image=1), 'each_image is 1'),
        (OBJECTIVES['mix'] | dict(photometric='yes'), "photometric is 'yes'"),
    ],
)
def test_a_wrong_setting_is_told(objective, said):
    with pytest.raises(UserError, match=said):
        make(dict(term=objective))


def test_a_backbone_without_tokens_is_told():
    with pytest.raises(UserError, match=r"where='tokens' needs a backbone .* is a ResNetV1c"):
        build(dict(term=OBJECTIVES['mask']))


def test_tokens_of_a_segmentor_of_two_scales_are_refused():
    with pytest.raises(UserError, match=r"where='tokens' masks the one image .*HRDAEncoderDecoder"):
        build(dict(term=OBJECTIVES['mask']), toy_hrda())


def test_domains_that_are_normalised_differently_are_told():
    prepared = dict(source=dict(mean=[0.0] * 3, size=SIZE), target=dict(size=SIZE))
    prepared = toy_preprocessor() | prepared
    with pytest.raises(UserError, match=r'objectives\.seg: JitteredSupervision .*differently'):
        make(dict(seg=OBJECTIVES['seg']), data_preprocessor=prepared)


def test_a_wrong_teacher_is_told():
    with pytest.raises(UserError, match=r'model\.teacher\.flips is 2'):
        make(teacher=dict(flips=2))
