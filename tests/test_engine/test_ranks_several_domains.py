"""Weighted sources, a translator for each, and labelled target images: two processes train as one."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rank_helpers import free_port, identical_on_all_ranks, share, start_rank

from mmseg_da.engine import PartwiseOptimWrapperConstructor, PhasedDDP
from mmseg_da.registry import MODELS
from mmseg_da.testing.toys import toy_adaptor, toy_alignment, toy_batch, toy_pspnet

NUM, SOURCES = 8, 3
WEIGHTED = dict(type='SourceSupervision', source_weights=[1.0, 0.25, 2.0])
FROZEN = dict(
    type='FrozenTranslator', generator=dict(type='ResnetGenerator', channels=4, blocks=1, downs=1)
)
CONFUSION = dict(
    type='SourceConfusion',
    discriminator=dict(type='PointwiseDiscriminator', channels=(8, 4), outputs=3, dropout=0.0),
    loss_weight=0.5,
)


def make_adaptor():
    torch.manual_seed(0)
    objectives = dict(
        seg=WEIGHTED,
        mix=CONFUSION,
        lab=dict(type='LabelledTargetSupervision', loss_weight=0.5),
        adv=toy_alignment(of='entropy'),
    )
    translators = [FROZEN, None, FROZEN]
    cfg = toy_adaptor(
        toy_pspnet('GN'),  # an image must not depend on the others of its batch
        objectives,
        translator=dict(type='PerSourceTranslator', translators=translators),
    )
    return MODELS.build(cfg).train()


def make_wrappers(model):
    part = dict(optimizer=dict(type='SGD', lr=0.05))
    return PartwiseOptimWrapperConstructor(dict(segmentor=part, discriminators=part))(model)


def batches():
    """Of as many labelled pixels in each half."""
    made = [toy_batch(NUM, seed=seed, sources=SOURCES, labelled=True) for seed in range(2)]
    for batch in made:
        for domain in ('source', 'labelled'):
            for sample in batch[domain]['data_samples']:
                labels = sample.gt_sem_seg.data
                labels[labels == 255] = 0
    return made


def work(rank, port, out):
    """What each of the two processes does; rank 0 leaves the results."""
    start_rank(rank, port)
    model = make_adaptor()
    wrappers, wrapped = make_wrappers(model), PhasedDDP(model, device_ids=[rank])
    for batch in batches():
        wrapped.train_step(share(batch, rank, 2), wrappers)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    agree = [identical_on_all_ranks(model)]
    one_source = toy_batch(2, seed=rank, labelled=True)
    for sample in one_source['source']['data_samples']:
        sample.set_metainfo(dict(source_index=rank))  # each process may have one source alone
    wrapped.train_step(one_source, wrappers)
    agree.append(identical_on_all_ranks(model))
    if rank == 0:
        torch.save(dict(weights=weights, agree=agree), out)
    del wrapped  # freed after its group, it may wait for a thread of that group forever
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def left(tmp_path_factory) -> dict:
    """What the two processes left behind."""
    out = Path(tmp_path_factory.mktemp('ranks')) / 'results.pth'
    mp.spawn(work, args=(free_port(), out), nprocs=2)
    return torch.load(out, weights_only=True)


@pytest.mark.stack
def test_two_processes_equal_one_on_the_joint_batch(left):
    model = make_adaptor()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wrappers = make_wrappers(model)
    for batch in batches():
        model.train_step(batch, wrappers)
    ours, theirs = model.state_dict(), left['weights']
    assert set(ours) == set(theirs)
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=0, atol=1e-6, msg=name)
    moved = {name.split('.')[0] for name in ours if not torch.equal(ours[name], before[name])}
    assert moved == {'segmentor', 'objectives'}


def test_replicas_stay_identical(left):
    assert left['agree'] == [True, True]
