"""Two processes with PhasedDDP train exactly what one process trains on the joint batch."""

import itertools
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.model import MMDistributedDataParallel
from rank_helpers import (
    free_port,
    identical_on_all_ranks,
    joint_batch,
    make_adaptor,
    share,
    start_rank,
)

from mmseg_da.engine import PartwiseOptimWrapperConstructor, PhasedDDP
from mmseg_da.testing.toys import toy_batch

CASES = list(itertools.product(('stages', 'summed'), (1, 2)))


def make_wrappers(model, counts=1):
    # Plain SGD: Adam would blow up differences in the last digit of tiny gradients.
    part = dict(optimizer=dict(type='SGD', lr=0.05), accumulative_counts=counts)
    return PartwiseOptimWrapperConstructor(dict(segmentor=part, discriminators=part))(model)


def what_the_default_wrapper_says(model, batch):
    wrapped = MMDistributedDataParallel(module=model, find_unused_parameters=True)
    try:
        wrapped.train_step(batch, make_wrappers(model))
    except Exception as error:
        return str(error)
    return 'nothing'


def work(rank, port, out):
    """What each of the two processes does; rank 0 leaves the results."""
    start_rank(rank, port)
    results = {}
    for backward, counts in CASES:
        model = make_adaptor(backward)
        wrappers = make_wrappers(model, counts)
        wrapped = PhasedDDP(model, device_ids=[rank])  # as mmengine's Runner passes it
        half = share(joint_batch(), rank, 2)
        logs = [wrapped.train_step(share(half, i, counts), wrappers) for i in range(counts)]
        first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        agree = [identical_on_all_ranks(model)]
        for i in range(2 * counts):
            wrapped.train_step(share(toy_batch(4, seed=2 * i + rank), 0, 1), wrappers)
        agree.append(identical_on_all_ranks(model))
        results[backward, counts] = dict(weights=first, agree=agree, keys=list(logs[0]))
    told = what_the_default_wrapper_says(make_adaptor('stages'), share(joint_batch(), rank, 2))
    if rank == 0:
        torch.save(dict(results=results, told=told), out)
    del wrapped  # freed after its group, it may wait for a thread of that group forever
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def left(tmp_path_factory) -> dict:
    """What the two processes left behind."""
    out = Path(tmp_path_factory.mktemp('ddp')) / 'results.pth'
    mp.spawn(work, args=(free_port(), out), nprocs=2)
    return torch.load(out, weights_only=True)


@pytest.mark.stack
@pytest.mark.parametrize(('backward', 'counts'), CASES)
def test_two_processes_equal_one_on_the_joint_batch(left, backward, counts):
    model = make_adaptor(backward)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    logs = model.train_step(joint_batch(), make_wrappers(model))
    ours, theirs = model.state_dict(), left['results'][backward, counts]['weights']
    assert set(ours) == set(theirs)
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=0, atol=1e-6, msg=name)
    moved = {name.split('.')[0] for name in ours if not torch.equal(ours[name], before[name])}
    assert moved == {'segmentor', 'objectives'}
    assert left['results'][backward, counts]['keys'] == list(logs)


@pytest.mark.parametrize(('backward', 'counts'), CASES)
def test_replicas_stay_identical(left, backward, counts):
    assert left['results'][backward, counts]['agree'] == [True, True]


def test_the_default_wrapper_is_refused(left):
    assert "model_wrapper_cfg=dict(type='mmseg.PhasedDDP')" in left['told']
