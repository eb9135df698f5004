"""HRDA: two processes draw the same details and train as one does; a resume draws on."""

from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from checkpoint_helpers import differing, load
from rank_helpers import assert_as_one, free_port, train_cases

from mmseg_da.engine import PartwiseOptimWrapperConstructor
from mmseg_da.engine.launch import build_runner
from mmseg_da.registry import MODELS
from mmseg_da.testing.toys import toy_adaptor, toy_batch, toy_preprocessor, toy_segformer

SEG, SIZE = dict(type='SourceSupervision'), (64, 128)
MIX = dict(type='SelfTraining', threshold=0.4)
MASK = dict(type='MaskedConsistency', threshold=0.4, block=16)
CASES = dict(dacs=dict(seg=SEG, mix=MIX), mic=dict(seg=SEG, mix=MIX, mask=MASK))


def network():
    cfg = toy_segformer() | dict(type='HRDAEncoderDecoder', detail_crop=0.5)
    norm = dict(type='GN', num_groups=2)  # an image must not depend on the others of its batch
    cfg['backbone']['sr_ratios'] = [2, 1, 1, 1]
    cfg['decode_head']['norm_cfg'] = norm
    return cfg | dict(scale_attention=dict(type='DAFormerHead', dilations=None, channels=8))


def make(case):
    torch.manual_seed(0)
    sized = dict(source=dict(size=SIZE), target=dict(size=SIZE))
    own = dict(teacher=dict(alpha=0.9), data_preprocessor=toy_preprocessor() | sized)
    cfg = network()
    cfg['scale_attention']['dropout_ratio'] = 0.0
    model = MODELS.build(toy_adaptor(cfg, CASES[case], **own)).double().train()
    model.segmentor.decode_head.conv_seg.weight.data *= 30  # so that it is sure of some pixels
    part = dict(optimizer=dict(type='SGD', lr=0.05))
    return model, PartwiseOptimWrapperConstructor(dict(segmentor=part))(model)


def batches():
    return [labelled(seed) for seed in range(2)]


def labelled(seed):
    batch = toy_batch(4, SIZE, SIZE, seed=seed)
    for number, sample in enumerate(batch['source']['data_samples']):
        labels = sample.gt_sem_seg.data
        labels[labels == 255] = 0  # each half has as many labels as the other, in any detail
        labels[labels > 1 + number // 2] = 0
    return batch


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
    assert model.segmentor.draws.steps == 2 * len(CASES[case])


@pytest.mark.stack
def test_six_iterations_equal_four_and_two(short_config, plainly_written, tmp_path):
    def train(work_dir: Path, iterations: int, resume: bool = False) -> None:
        own = {
            'train_cfg.max_iters': iterations,
            'train_cfg.val_interval': 100,
            'default_hooks.checkpoint.interval': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'model.objectives.mix.threshold': 0.2,
            'resume': resume,
        }
        build_runner(short_config(work_dir, 'small/hrda_toy', **own)).train()

    train(tmp_path / 'whole', 6)
    train(tmp_path / 'parts', 4)
    train(tmp_path / 'parts', 6, resume=True)
    one, other = (load(tmp_path / name / 'iter_6.pth') for name in ('whole', 'parts'))
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(one[key], other[key]) == []
    assert one['state_dict']['segmentor.draws.steps'] == 12
