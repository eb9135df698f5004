"""The feature distance of two processes is the mean over the cells of both."""

from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from rank_helpers import assert_as_one, free_port, train_cases

from mmseg_da.engine import PartwiseOptimWrapperConstructor
from mmseg_da.registry import MODELS
from mmseg_da.testing.toys import toy_adaptor, toy_batch, toy_preprocessor, toy_pspnet

SIZE = (48, 80)
OBJECTIVES = dict(
    seg=dict(type='SourceSupervision'),
    fd=dict(type='FeatureDistance', things=['car'], loss_weight=0.5),
    mix=dict(type='SelfTraining', threshold=0.4),
)


def make(case):
    torch.manual_seed(0)
    own = dict(
        teacher=dict(alpha=0.9),
        data_preprocessor=toy_preprocessor() | dict(source=dict(size=SIZE)),
    )
    # Group norm: an image must not depend on the others of its batch.
    model = MODELS.build(toy_adaptor(toy_pspnet('GN'), OBJECTIVES, **own)).double().train()
    model.name_classes(('road', 'car', 'sky', 'person'))
    for each in model.objectives['fd'].encoder.parameters():
        each.data *= 0.9  # or the distances of the first iteration are zero
    wrapper = PartwiseOptimWrapperConstructor(
        dict(segmentor=dict(optimizer=dict(type='SGD', lr=0.05)))
    )(model)
    return model, wrapper


def batches():
    return [labelled(seed) for seed in range(2)]


def labelled(seed):
    """In the first batch one process has no thing, the other has some."""
    batch = toy_batch(4, SIZE, SIZE, seed=seed)
    for number, sample in enumerate(batch['source']['data_samples']):
        sample.gt_sem_seg.data[:] = 0
        if number > 1 or (seed and number):
            sample.gt_sem_seg.data[:, 8 : 16 * number, 16:64] = 1
    return batch


def work(rank, port, out):
    train_cases(rank, port, out, ['fd'], make, batches(), toy_batch(2, SIZE, SIZE, seed=rank))


@pytest.mark.stack
def test_two_processes_equal_one_on_the_joint_batch(tmp_path):
    out = Path(tmp_path) / 'results.pth'
    mp.spawn(work, args=(free_port(), out), nprocs=2)
    left = torch.load(out, weights_only=True)
    assert_as_one(left['fd'], *make('fd'), batches())
