"""Self-training and masked consistency with a mean teacher: two processes train as one does."""

from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from mmengine.dist import get_rank
from rank_helpers import assert_as_one, free_port, train_cases

from mmseg_da.engine import PartwiseOptimWrapperConstructor
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
    torch.manual_seed(get_rank())  # as `diff_rank_seed` has it: all is the first process's
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


def make(case):
    model = make_adaptor(case)
    return model, make_wrapper(model)


def work(rank, port, out):
    train_cases(rank, port, out, CASES, make, batches(), toy_batch(2, SIZE, SIZE, seed=rank))


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
    assert model.state_dict()['teacher.steps'] == 2
