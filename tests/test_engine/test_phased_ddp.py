"""Two processes with PhasedDDP train exactly what one process trains on the joint batch."""

import itertools
import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope

from mmseg_da.engine import PartwiseOptimWrapperConstructor, PhasedDDP
from mmseg_da.registry import MODELS
from mmseg_da.testing.toys import toy_adaptor, toy_alignment, toy_batch, toy_pspnet

CASES = list(itertools.product(('stages', 'summed'), (1, 2)))
NUM = 8  # images of each domain in the joint batch


def make_adaptor(backward):
    torch.manual_seed(0)
    objectives = dict(
        seg=dict(type='SourceSupervision'),
        adv_aux=toy_alignment(head='aux'),
        adv_decode=toy_alignment(head='decode'),
    )
    # Group norm: an image must not depend on the others of its batch.
    return MODELS.build(toy_adaptor(toy_pspnet('GN'), objectives, backward=backward)).train()


def make_wrappers(model, counts=1):
    # Plain SGD: Adam would blow up differences in the last digit of tiny gradients.
    part = dict(optimizer=dict(type='SGD', lr=0.05), accumulative_counts=counts)
    return PartwiseOptimWrapperConstructor(dict(segmentor=part, discriminators=part))(model)


def joint_batch():
    batch = toy_batch(NUM)
    for sample in batch['source']['data_samples']:
        labels = sample.gt_sem_seg.data
        labels[labels == 255] = 0  # each half must have as many labels as the other
    return batch


def share(batch, index, of):
    """One of ``of`` equal shares of a batch, with samples of its own."""
    size = len(batch['source']['inputs']) // of
    return {
        name: dict(
            inputs=domain['inputs'][index * size : (index + 1) * size],
            data_samples=[s.clone() for s in domain['data_samples']][
                index * size : (index + 1) * size
            ],
        )
        for name, domain in batch.items()
    }


def identical_on_all_ranks(model):
    mine = torch.cat([tensor.detach().flatten() for tensor in model.state_dict().values()])
    theirs = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(theirs, mine)
    return all(torch.equal(mine, other) for other in theirs)


def what_the_default_wrapper_says(model, batch):
    wrapped = MMDistributedDataParallel(module=model, find_unused_parameters=True)
    try:
        wrapped.train_step(batch, make_wrappers(model))
    except Exception as error:
        return str(error)
    return 'nothing'


def work(rank, port, out):
    """What each of the two processes does; rank 0 leaves the results."""
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    init_default_scope('mmseg')
    dist.init_process_group('gloo', rank=rank, world_size=2)
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
    dist.destroy_process_group()


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


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
