"""Clipping, mixed precision and activation checkpointing on two processes."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rank_helpers import (
    free_port,
    identical_on_all_ranks,
    joint_batch,
    make_adaptor,
    share,
    start_rank,
)

from mmseg_da.engine import PartwiseOptimWrapperConstructor, PhasedDDP
from mmseg_da.engine.activation_checkpointing import checkpoint_activations

LAYERS = ['segmentor.backbone.layer3', 'segmentor.decode_head.bottleneck']
BFLOAT16 = dict(type='AmpOptimWrapper')
# name: settings of every optimizer wrapper, layers to checkpoint, and how far the two may differ
# as a share of the update
CASES = {
    'clipping': (dict(clip_grad=dict(max_norm=0.01)), [], 1e-4),
    'checkpointing': ({}, LAYERS, 1e-4),
    'bfloat16': (BFLOAT16, [], 0.1),
    'all, accumulated': (
        BFLOAT16 | dict(clip_grad=dict(max_norm=0.01), accumulative_counts=2), LAYERS, 0.1
    ),
}  # fmt: skip


def prepare(name, backward, counts=None):
    shared, layers, _ = CASES[name]
    model = make_adaptor(backward)
    checkpoint_activations(model, layers)
    part = dict(optimizer=dict(type='SGD', lr=0.05))
    shared = shared | ({} if counts is None else dict(accumulative_counts=counts))
    return model, PartwiseOptimWrapperConstructor(
        dict(segmentor=part, discriminators=part) | shared
    )(model)


def work(rank, port, out):
    start_rank(rank, port)
    left = {}
    for name in CASES:
        for backward in ('stages', 'summed'):
            model, wrappers = prepare(name, backward)
            counts = CASES[name][0].get('accumulative_counts', 1)
            wrapped = PhasedDDP(model, device_ids=[rank])
            half = share(joint_batch(), rank, 2)
            for i in range(counts):
                wrapped.train_step(share(half, i, counts), wrappers)
            same = identical_on_all_ranks(model)
            left[name, backward] = dict(same=same, weights=dict(model.state_dict()))
    if rank == 0:
        torch.save(left, out)
    del wrapped  # freed after its group, it may wait for a thread of that group forever
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def left(tmp_path_factory) -> dict:
    out = Path(tmp_path_factory.mktemp('ranks')) / 'left.pth'
    mp.spawn(work, args=(free_port(), out), nprocs=2)
    return torch.load(out, weights_only=True)


@pytest.mark.stack
@pytest.mark.parametrize('backward', ['stages', 'summed'])
@pytest.mark.parametrize('name', list(CASES))
def test_two_processes_equal_one(left, name, backward):
    model, wrappers = prepare(name, backward, counts=1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train_step(joint_batch(), wrappers)
    theirs = left[name, backward]['weights']
    for part in ('segmentor', 'objectives'):
        keys = [key for key in before if key.startswith(part)]
        update = torch.cat([(model.state_dict()[key] - before[key]).flatten() for key in keys])
        apart = torch.cat([(theirs[key] - model.state_dict()[key]).flatten() for key in keys])
        assert update.norm() > 0
        assert apart.norm() <= CASES[name][2] * update.norm()
    assert left[name, backward]['same']
