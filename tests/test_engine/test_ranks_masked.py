"""Masked images of both domains, and VFM-UDA, in two processes as in one."""

from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from rank_helpers import assert_as_one, free_port, train_cases

from mmseg_da.engine import PartwiseOptimWrapperConstructor
from mmseg_da.registry import MODELS
from mmseg_da.testing.toys import toy_adaptor, toy_batch, toy_preprocessor, toy_pspnet

SIZE = (48, 80)
IMAGEWISE = dict(threshold=0.3, photometric=True, each_image=True)
OBJECTIVES = dict(
    both=dict(
        seg=dict(type='SourceSupervision'),
        mask=dict(type='MaskedConsistency', threshold=0.4, block=16, images='both'),
    ),
    vfm=dict(
        seg=dict(type='JitteredSupervision'),
        mix=dict(type='SelfTraining', target_jitter=0.2, **IMAGEWISE),
        mask=dict(type='MaskedConsistency', where='tokens', **IMAGEWISE),
    ),
)
VIT = dict(
    backbone=dict(
        type='DINOv2', embed_dims=16, num_layers=1, num_heads=2, patch_size=8, img_size=32
    ),
    decode_head=dict(type='UpscaleHead', in_channels=16, num_classes=4, align_corners=False),
)


def make(case):
    torch.manual_seed(0)
    own = dict(
        teacher=dict(alpha=0.9, flips=case == 'vfm'),
        data_preprocessor=toy_preprocessor() | dict(source=dict(size=SIZE)),
    )
    # Group norm: an image must not depend on the others of its batch.
    segmentor = toy_pspnet('GN')
    if case == 'vfm':
        segmentor = dict(type='EncoderDecoder', **VIT, test_cfg=dict(mode='whole'))
    model = MODELS.build(toy_adaptor(segmentor, OBJECTIVES[case], **own)).double().train()
    wrapper = PartwiseOptimWrapperConstructor(
        dict(segmentor=dict(optimizer=dict(type='SGD', lr=0.05)))
    )(model)
    return model, wrapper


def batches():
    made = [toy_batch(4, SIZE, SIZE, seed=seed) for seed in range(2)]
    for sample in (each for batch in made for each in batch['source']['data_samples']):
        labels = sample.gt_sem_seg.data
        labels[labels == 255] = 0  # each half must have as many labels as the other
    return made


def work(rank, port, out):
    train_cases(
        rank, port, out, list(OBJECTIVES), make, batches(), toy_batch(2, SIZE, SIZE, seed=rank)
    )


@pytest.mark.stack
def test_two_processes_mask_what_one_does(tmp_path):
    out = Path(tmp_path) / 'results.pth'
    mp.spawn(work, args=(free_port(), out), nprocs=2)
    left = torch.load(out, weights_only=True)
    for case in OBJECTIVES:
        assert_as_one(left[case], *make(case), batches())
