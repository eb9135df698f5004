"""Two processes on this machine, and what they share with one."""

import os
import socket

import torch
import torch.distributed as dist
from mmengine.registry import init_default_scope

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


def identical_on_all_ranks(model):
    mine = torch.cat([tensor.detach().flatten() for tensor in model.state_dict().values()])
    theirs = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(theirs, mine)
    return all(torch.equal(mine, other) for other in theirs)


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]
