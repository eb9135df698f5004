"""Two processes train FDA exactly as one does on the joint batch."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rank_helpers import free_port, identical_on_all_ranks, joint_batch, share, start_rank

from mmseg_da.engine import PartwiseOptimWrapperConstructor, PhasedDDP
from mmseg_da.registry import MODELS
from mmseg_da.testing import toy_adaptor, toy_pspnet

STEPS = 2
WINDOWS = ('symmetric', 'legacy')


def prepare(window):
    torch.manual_seed(0)
    objectives = dict(
        seg=dict(type='SourceSupervision'),
        ent=dict(type='TargetEntropy', penalty='charbonnier', resize=None, loss_weight=0.5),
    )
    translator = dict(type='FourierTranslator', beta=0.1, window=window)
    # Group norm: an image must not depend on the others of its batch.
    model = MODELS.build(toy_adaptor(toy_pspnet('GN'), objectives, translator=translator))
    model.double().train()
    part = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
    return model, PartwiseOptimWrapperConstructor(dict(segmentor=part))(model)


def work(rank, port, out):
    start_rank(rank, port)
    left = {}
    for window in WINDOWS:
        model, wrappers = prepare(window)
        wrapped = PhasedDDP(model, device_ids=[rank])
        for _ in range(STEPS):
            wrapped.train_step(share(joint_batch(), rank, 2), wrappers)
        left[window] = dict(same=identical_on_all_ranks(model), weights=dict(model.state_dict()))
    if rank == 0:
        torch.save(left, out)
    del wrapped  # freed after its group, it may wait for a thread of that group forever
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def left(tmp_path_factory) -> dict:
    """What two processes end with."""
    out = Path(tmp_path_factory.mktemp('ranks')) / 'left.pth'
    mp.spawn(work, args=(free_port(), out), nprocs=2)
    return torch.load(out, weights_only=True)


@pytest.mark.stack
@pytest.mark.parametrize('window', WINDOWS)
def test_two_processes_equal_one(left, window):
    model, wrappers = prepare(window)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for _ in range(STEPS):
        model.train_step(joint_batch(), wrappers)
    assert left[window]['same']
    for key, value in model.state_dict().items():
        assert torch.allclose(left[window]['weights'][key], value, rtol=0, atol=1e-10), key
        assert not torch.equal(value, before[key]), key
