"""Two processes on this machine, and what they share with one."""

import os
import socket

import torch
import torch.distributed as dist
from mmengine.registry import init_default_scope

from mmseg_da.engine import PhasedDDP
from mmseg_da.registry import MODELS
from mmseg_da.testing.toys import toy_adaptor, toy_alignment, toy_batch, toy_pspnet

NUM = 8  # images of each domain in the joint batch


def start_rank(rank, port):
    """Join a group of two processes."""
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    init_default_scope('mmseg')
    dist.init_process_group('gloo', rank=rank, world_size=2)


def make_adaptor(backward):
    torch.manual_seed(0)
    objectives = dict(
        seg=dict(type='SourceSupervision'),
        adv_aux=toy_alignment(head='aux'),
        adv_decode=toy_alignment(head='decode'),
    )
    # Group norm: an image must not depend on the others of its batch.
    return MODELS.build(toy_adaptor(toy_pspnet('GN'), objectives, backward=backward)).train()


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


def train_cases(rank, port, out, cases, make, batches, uneven):
    """What each of two processes does; rank 0 leaves weights and agreement of each case in ``out``.

    ``make`` gives the model and the optimizer wrapper of a case; ``uneven`` is a last batch, of which
    each process has its own.
    """
    start_rank(rank, port)
    left = {case: _train_case(rank, *make(case), batches, uneven) for case in cases}
    if rank == 0:
        torch.save(left, out)
    dist.destroy_process_group()


def _train_case(rank, model, wrapper, batches, uneven):
    # A function of its own: a distributed wrapper that is freed after its group may wait for a
    # thread of that group forever.
    wrapped = PhasedDDP(model, device_ids=[rank])
    for batch in batches:
        wrapped.train_step(share(batch, rank, 2), wrapper)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    agree = [identical_on_all_ranks(model)]
    wrapped.train_step(share(uneven, 0, 1), wrapper)
    return dict(weights=weights, agree=[*agree, identical_on_all_ranks(model)])


def assert_as_one(left, model, wrapper, batches):
    """Two processes have trained as this model does on the joint batches, and stay alike."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for batch in batches:
        model.train_step(batch, wrapper)
    ours, theirs = model.state_dict(), left['weights']
    assert set(ours) == set(theirs)
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=0, atol=1e-12, msg=name)
    assert any(not torch.equal(ours[name], before[name]) for name in ours)
    assert left['agree'] == [True, True]


def identical_on_all_ranks(model):
    mine = torch.cat([tensor.detach().flatten() for tensor in model.state_dict().values()])
    theirs = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(theirs, mine)
    return all(torch.equal(mine, other) for other in theirs)


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]
