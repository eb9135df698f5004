"""Pseudo labels: two processes of unequally many labelled pixels train as one does."""

from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from mmengine.structures import PixelData
from rank_helpers import assert_as_one, free_port, joint_batch, train_cases

from mmseg_da.engine import PartwiseOptimWrapperConstructor
from mmseg_da.registry import MODELS
from mmseg_da.testing.toys import TARGET_SIZE, toy_adaptor, toy_batch, toy_pspnet

SEG = dict(type='SourceSupervision')
CASES = dict(
    unequal=dict(pseudo=dict(type='PseudoSupervision', heads=dict(decode=1.0, aux=0.4))),
    with_source=dict(seg=SEG, pseudo=dict(type='PseudoSupervision')),
)


def labelled(batch, rows):
    """Labels of the first rows of each target image, 255 below."""
    rng = torch.Generator().manual_seed(0)
    for sample, number in zip(batch['target']['data_samples'], rows, strict=True):
        labels = torch.randint(0, 4, (1, *TARGET_SIZE), generator=rng)
        labels[:, number:] = 255
        sample.pseudo_sem_seg = PixelData(data=labels)
    return batch


def batches():
    """Unequal; nothing on one of the processes; one pixel row in all; nothing at all."""
    rows = ([40, 40, 9, 48, 1, 0, 2, 3], [0] * 4 + [5, 1, 0, 0], [1] + [0] * 7, [0] * 8)
    return [labelled(joint_batch(), each) for each in rows]


def make(case):
    torch.manual_seed(0)
    # Group norm: an image must not depend on the others of its batch.
    model = MODELS.build(toy_adaptor(toy_pspnet('GN'), CASES[case])).double().train()
    part = dict(optimizer=dict(type='SGD', lr=0.05))
    return model, PartwiseOptimWrapperConstructor(dict(segmentor=part))(model)


def work(rank, port, out):
    uneven = labelled(toy_batch(4, seed=rank), [rank] * 4)
    train_cases(rank, port, out, CASES, make, batches(), uneven)


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
