"""DAFormer's step with accumulated gradients, in mixed precision, and what it holds for backward."""

import copy

import pytest
import torch
from builders import build_wrappers, snapshot, state_gap
from taught_builders import SIZE, build
from test_memory import saved_bytes

from mmseg_da.testing import toy_batch, toy_optim_wrapper, toy_preprocessor, toy_pspnet

CLASSES = ('road', 'car', 'sky', 'person')
DISTANCE = dict(type='FeatureDistance', things=['car'], loss_weight=0.5)
MIX = dict(type='SelfTraining', threshold=0.4, jitter_prob=0.0, blur_prob=0.0)
TRAINED = dict(fd=DISTANCE, mix=MIX)


def make(objectives=None, **others):
    prepared = toy_preprocessor() | dict(source=dict(size=SIZE))
    adaptor = build(objectives or TRAINED, toy_pspnet('GN'), data_preprocessor=prepared, **others)
    adaptor.name_classes(CLASSES)
    if 'fd' in adaptor.objectives:
        for each in adaptor.objectives['fd'].encoder.parameters():
            each.data *= 0.9  # or the first distances are zero
    return adaptor


def things(num, seed=0):
    """A batch with some cells of cars, as many in each half."""
    batch = toy_batch(num, SIZE, SIZE, seed=seed)
    for sample in batch['source']['data_samples']:
        sample.gt_sem_seg.data[:] = 0
        sample.gt_sem_seg.data[:, 8:40, 16:64] = 1
    return batch


def halves(batch):
    return [
        {d: {key: x[i : i + 2] for key, x in part.items()} for d, part in batch.items()}
        for i in (0, 2)
    ]


def sgd(**shared):
    cfg = toy_optim_wrapper(rivals=False, **shared)
    cfg['segmentor'] = dict(optimizer=dict(type='SGD', lr=0.05))
    return cfg


@pytest.mark.parametrize('backward', ['stages', 'summed'])
def test_two_half_batches_are_one_batch_for_the_distance(backward):
    joint = make(dict(fd=DISTANCE), backward=backward).double()
    split = copy.deepcopy(joint)
    joint.train_step(things(4), build_wrappers(joint, sgd()))
    wrappers = build_wrappers(split, sgd(accumulative_counts=2))
    before = snapshot(split.segmentor)
    for half in halves(things(4)):
        split.train_step(half, wrappers)
    assert state_gap(split.segmentor, before) > 1e-4
    assert state_gap(split.segmentor, joint.segmentor) <= 1e-12


def test_the_teacher_moves_once_for_each_update():
    adaptor = make()
    wrappers = build_wrappers(adaptor, sgd(accumulative_counts=4))
    wrappers.initialize_count_status(adaptor, 0, 8)
    for seed in range(8):
        adaptor.train_step(things(2, seed), wrappers)
    assert adaptor.teacher.steps == 2


def test_staged_gradients_are_those_of_the_sum():
    staged, summed = (make(backward=each).double() for each in ('stages', 'summed'))
    for each in (staged, summed):
        wrappers = build_wrappers(each, sgd())
        for seed in range(3):
            each.train_step(things(2, seed), wrappers)
    assert state_gap(staged.state_dict(), summed.state_dict()) <= 1e-12


@pytest.mark.stack
def test_mixed_precision_keeps_the_distance_in_single_precision():
    half, single = make(), make()
    wrappers = build_wrappers(
        half, toy_optim_wrapper(rivals=False, type='AmpOptimWrapper', loss_scale='dynamic')
    )
    seen = []
    half.objectives['fd'].encoder.layer4.register_forward_hook(
        lambda _module, _inputs, out: seen.append((out.dtype, out.requires_grad))
    )
    logs = half.train_step(things(2), wrappers)
    theirs = single.train_step(things(2), build_wrappers(single))
    assert seen == [(torch.bfloat16, False)]
    assert logs['fd.loss_distance'].dtype == torch.float32
    assert logs['fd.cells'] == theirs['fd.cells'] > 0
    torch.testing.assert_close(
        logs['fd.loss_distance'], theirs['fd.loss_distance'], rtol=0.05, atol=1e-3
    )
    assert all(torch.isfinite(each).all() for each in half.state_dict().values())


def peak_of(objectives, backward):
    adaptor = make(objectives, backward=backward)
    wrappers = build_wrappers(adaptor, sgd())
    with saved_bytes(adaptor) as saved:
        adaptor.train_step(things(2), wrappers)
    assert saved.live == 0
    return saved.peak


def test_the_frozen_encoder_and_the_teacher_keep_no_graph():
    source = peak_of(dict(fd=None), 'stages')
    with_encoder = peak_of(dict(fd=DISTANCE), 'stages')
    assert with_encoder < 1.1 * source  # distances and their difference, of one small map
    staged, summed = peak_of(TRAINED, 'stages'), peak_of(TRAINED, 'summed')
    assert staged < 1.15 * max(source, peak_of(dict(mix=MIX), 'stages'))
    assert summed > 1.5 * staged
