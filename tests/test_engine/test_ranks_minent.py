"""MinEnt, its ranking and the counted class ratios: two processes train as one does."""

from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from rank_helpers import assert_as_one, free_port, joint_batch, share, train_cases

from mmseg_da.engine import PartwiseOptimWrapperConstructor
from mmseg_da.registry import MODELS
from mmseg_da.testing.toys import toy_adaptor, toy_batch, toy_pspnet

SEG, ENTROPY = dict(type='SourceSupervision'), dict(type='TargetEntropy', loss_weight=0.5)
CASES = dict(
    minent=dict(seg=SEG, ent_aux=ENTROPY | dict(head='aux'), ent=ENTROPY),
    ranking=dict(seg=SEG, ent=ENTROPY | dict(share=0.3)),
    sum=dict(seg=SEG, ent=ENTROPY | dict(reduction='sum', loss_weight=1e-4)),
    fda=dict(seg=SEG, ent=ENTROPY | dict(penalty='charbonnier', resize=None)),
    ratios=dict(seg=SEG, ent=ENTROPY, ratio=dict(type='ClassPrior', mu=1.0, loss_weight=1.0)),
)


def make_adaptor(case):
    torch.manual_seed(0)
    # Group norm: an image must not depend on the others of its batch.
    return MODELS.build(toy_adaptor(toy_pspnet('GN'), CASES[case])).double().train()


def make_wrapper(model):
    part = dict(optimizer=dict(type='SGD', lr=0.05))
    return PartwiseOptimWrapperConstructor(dict(segmentor=part))(model)


def batches():
    first = joint_batch()
    for number, sample in enumerate(first['source']['data_samples']):
        sample.gt_sem_seg.data[:] = sample.gt_sem_seg.data.clamp(max=1 + number // 4)
    return first, joint_batch()


def make(case):
    model = make_adaptor(case)
    return model, make_wrapper(model)


def work(rank, port, out):
    train_cases(rank, port, out, CASES, make, batches(), toy_batch(4, seed=rank))


@pytest.fixture(scope='module')
def left(tmp_path_factory) -> dict:
    """What the two processes left behind."""
    out = Path(tmp_path_factory.mktemp('ranks')) / 'results.pth'
    mp.spawn(work, args=(free_port(), out), nprocs=2)
    return torch.load(out, weights_only=True)


@pytest.mark.stack
@pytest.mark.parametrize('case', CASES)
def test_two_processes_equal_one_on_the_joint_batch(left, case):
    model, wrapper = make(case)
    assert_as_one(left[case], model, wrapper, batches())


def test_the_halves_have_other_ratios(left):
    """Or one process alone would count the right ones."""
    halves = [
        torch.cat(
            [s.gt_sem_seg.data for s in share(batches()[0], rank, 2)['source']['data_samples']]
        )
        for rank in range(2)
    ]
    ratios = [torch.bincount(each.flatten(), minlength=4) for each in halves]
    assert not torch.equal(*ratios)
    counts = left['ratios']['weights']['objectives.ratio.counts']
    assert counts.sum() == 2 * 8 * 64 * 64
