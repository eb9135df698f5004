"""Accumulated gradients: two half batches are one batch, whatever the stages."""

import copy

import pytest
import torch
from builders import adaptsegnet, build_adaptor, build_wrappers, snapshot, state_gap, train

from mmseg_da.testing import toy_batch, toy_optim_wrapper, toy_pspnet

BACKWARDS = pytest.mark.parametrize('backward', ['stages', 'summed'])


def sgd(lr: float = 0.1, **shared) -> dict:
    cfg = toy_optim_wrapper(**shared)
    for part in ('segmentor', 'discriminators'):
        cfg[part] = dict(optimizer=dict(type='SGD', lr=lr))
    return cfg


def build(backward: str = 'stages', **shared):
    """A network whose images do not depend on each other, and its wrappers."""
    adaptor = build_adaptor(adaptsegnet(), toy_pspnet('GN'), backward=backward).double()
    return adaptor, build_wrappers(adaptor, sgd(**shared))


def labelled_batch(num: int, seed: int = 0) -> dict:
    """A batch without ignored pixels, so that halves weigh the same."""
    batch = toy_batch(num, seed=seed)
    for sample in batch['source']['data_samples']:
        sample.gt_sem_seg.data[sample.gt_sem_seg.data == 255] = 0
    return batch


def halves(batch: dict) -> list[dict]:
    return [
        {d: {key: x[2 * i : 2 * i + 2] for key, x in part.items()} for d, part in batch.items()}
        for i in (0, 1)
    ]


@pytest.mark.stack
@BACKWARDS
def test_two_half_batches_are_one_batch(backward):
    joint, wrappers = build(backward)
    joint.train_step(labelled_batch(4), wrappers)
    split, wrappers = build(backward, accumulative_counts=2)
    before = snapshot(split)
    first, second = halves(labelled_batch(4))
    split.train_step(first, wrappers)
    assert state_gap(split, before) == 0.0
    split.train_step(second, wrappers)
    assert state_gap(split, before) > 1e-3
    assert state_gap(split, joint) <= 1e-12


@BACKWARDS
def test_the_last_partial_group_is_applied_in_full(backward):
    adaptor, wrappers = build(backward, accumulative_counts=2)
    wrappers.initialize_count_status(adaptor, 0, 5)
    updates = dict.fromkeys(wrappers.keys(), 0)
    for name, wrapper in wrappers.items():

        def add(*_, name=name):
            updates[name] += 1

        wrapper.optimizer.register_step_post_hook(add)
    train(adaptor, wrappers, steps=4)
    assert updates == dict(segmentor=2, discriminators=2)
    twin = copy.deepcopy(adaptor)
    adaptor.train_step(toy_batch(seed=4), wrappers)
    assert updates == dict(segmentor=3, discriminators=3)
    twin.train_step(toy_batch(seed=4), build_wrappers(twin, sgd()))
    assert state_gap(adaptor, twin) <= 1e-12  # not divided by two


def test_a_resumed_run_counts_from_where_it_was():
    adaptor, wrappers = build(accumulative_counts=2)
    wrappers.initialize_count_status(adaptor, 4, 5)
    before = snapshot(adaptor)
    train(adaptor, wrappers)
    assert state_gap(adaptor, before) > 1e-3


@BACKWARDS
def test_stages_of_one_phase_count_as_one(backward):
    adaptor, wrappers = build(backward, accumulative_counts=2)
    train(adaptor, wrappers, steps=3)
    assert [wrapper.inner_count for wrapper in wrappers.values()] == [3, 3]


@BACKWARDS
def test_a_parts_gradient_is_clipped_after_its_last_stage(backward):
    free, wrappers = build(backward)
    start = snapshot(free)
    train(free, wrappers)
    cfg = sgd()
    cfg['segmentor']['clip_grad'] = dict(max_norm=0.001)
    clipped = build_adaptor(adaptsegnet(), toy_pspnet('GN'), backward=backward).double()
    train(clipped, build_wrappers(clipped, cfg))

    def moves(adaptor, prefix):
        return torch.cat(
            [
                (value - start[key]).flatten()
                for key, value in adaptor.named_parameters()
                if key.startswith(prefix)
            ]
        )

    long, short = moves(free, 'segmentor'), moves(clipped, 'segmentor')
    assert short.norm().item() == pytest.approx(0.1 * 0.001, rel=1e-3)  # learning rate times norm
    assert torch.cosine_similarity(long, short, dim=0).item() == pytest.approx(1.0, abs=1e-9)
    assert long.norm() > 10 * short.norm()
    assert torch.equal(moves(free, 'objectives'), moves(clipped, 'objectives'))
