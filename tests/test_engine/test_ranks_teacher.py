"""Self-training and masked consistency with a mean teacher: two processes train as one does."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rank_helpers import free_port, identical_on_all_ranks, share, start_rank

from mmseg_da.engine import PartwiseOptimWrapperConstructor, PhasedDDP
from mmseg_da.registry import MODELS
from mmseg_da.testing.toys import toy_adaptor, toy_batch, toy_preprocessor, toy_pspnet

SEG, SIZE = dict(type='SourceSupervision'), (48, 80)
MIX = dict(type='SelfTraining', threshold=0.4)
MASK = dict(type='MaskedConsistency', threshold=0.4, block=16)
CASES = dict(
    batch=dict(seg=SEG, mix=MIX),
    image=dict(seg=SEG, mix=MIX | dict(classes='image')),
    masked=dict(seg=SEG, mix=MIX, mask=MASK),
)


def make_adaptor(case):
    torch.manual_seed(0)
    # Group norm: an image must not depend on the others of its batch.
    own = dict(
        teacher=dict(alpha=0.9),
        data_preprocessor=toy_preprocessor() | dict(source=dict(size=SIZE)),
    )
    adaptor = MODELS.build(toy_adaptor(toy_pspnet('GN'), CASES[case], **own)).double().train()
    adaptor.segmentor.decode_head.conv_seg.weight.data *= 30  # so that it is sure of some pixels
    return adaptor


def make_wrapper(model):
    part = dict(optimizer=dict(type='SGD', lr=0.05))
    return PartwiseOptimWrapperConstructor(dict(segmentor=part))(model)


def batches():
    return [labelled(seed) for seed in range(2)]


def labelled(seed):
    batch = toy_batch(4, SIZE, SIZE, seed=seed)
    for number, sample in enumerate(batch['source']['data_samples']):
        labels = sample.gt_sem_seg.data
        labels[labels == 255] = 0  # each half has as many labels as the other
        labels[labels > 1 + number // 2] = 0  # and other classes
    return batch


def work(rank, port, out):
    """What each of the two processes does; rank 0 leaves the results."""
    start_rank(rank, port)
    left = {}
    for case in CASES:
        model = make_adaptor(case)
        wrapper, wrapped = make_wrapper(model), PhasedDDP(model, device_ids=[rank])
        for batch in batches():
            wrapped.train_step(share(batch, rank, 2), wrapper)
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        agree = [identical_on_all_ranks(model)]
        wrapped.train_step(share(toy_batch(2, SIZE, SIZE, seed=rank), 0, 1), wrapper)
        left[case] = dict(weights=weights, agree=[*agree, identical_on_all_ranks(model)])
    if rank == 0:
        torch.save(left, out)
    del wrapped  # freed after its group, it may wait for a thread of that group forever
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def left(tmp_path_factory) -> dict:
    """What the two processes left behind."""
    out = Path(tmp_path_factory.mktemp('ranks')) / 'results.pth'
    mp.spawn(work, args=(free_port(), out), nprocs=2)
    return torch.load(out, weights_only=True)


@pytest.mark.stack
@pytest.mark.parametrize('case', CASES)
def test_two_processes_equal_one_on_the_joint_batch(left, case):
    model = make_adaptor(case)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wrapper = make_wrapper(model)
    for batch in batches():
        model.train_step(batch, wrapper)
    ours, theirs = model.state_dict(), left[case]['weights']
    assert set(ours) == set(theirs)
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=0, atol=1e-12, msg=name)
    assert any(not torch.equal(ours[name], before[name]) for name in ours)
    assert ours['teacher.steps'] == 2
    assert left[case]['agree'] == [True, True]
