"""DAFormer against its iteration in plain PyTorch."""

import copy

import pytest
import torch
from builders import build_wrappers, state_gap
from host_sync import Watch
from literal import LiteralDAFormer
from taught_builders import MASK, MIX, alike, build, drawn_by

from mmseg_da.testing import counted_forwards, toy_optim_wrapper

CLASSES = ('road', 'car', 'sky', 'person')
DISTANCE = dict(type='FeatureDistance', things=['person', 'car'], loss_weight=0.05)
MARGINS = dict(ignore_top=5, ignore_bottom=8)
LR = 1e-3  # at a rate ten times this the toys amplify roundings


def blocky(seed):
    """Two domains of one size, with whole cells of things; in the third batch there is none."""
    batch = alike(seed=seed)
    for number, sample in enumerate(batch['source']['data_samples']):
        labels = sample.gt_sem_seg.data
        if seed == 2:
            labels[(labels == 1) | (labels == 3)] = 0
            continue
        labels[:, 8:32, 16:40] = 1
        labels[:, 40:, : 16 * (number + 1)] = 3
    return batch


def pair(dtype=torch.float64, mask=None, **others):
    objectives = dict(fd=DISTANCE, mix=MIX | MARGINS)
    if mask:
        objectives['mask'] = MASK | MARGINS
    adaptor = build(objectives, **others).to(dtype)
    adaptor.name_classes(CLASSES)
    adaptor.objectives['fd'].encoder.load_state_dict(adaptor.segmentor.backbone.state_dict())
    clone = copy.deepcopy(adaptor)
    literal = LiteralDAFormer(
        clone.segmentor, aux_weight=0.4, lr=LR, alpha=0.9, threshold=0.4, draws=drawn_by(clone),
        whole_batch=True, margins=(5, 8), mask=mask, things=(3, 1), distance=0.05,
    )  # fmt: skip
    cfg = toy_optim_wrapper(rivals=False)
    cfg['segmentor']['optimizer']['lr'] = LR
    return adaptor, build_wrappers(adaptor, cfg), literal


@pytest.mark.stack
@pytest.mark.parametrize('mask', [None, (0.7, 16)])
def test_ten_iterations_equal_the_paper(mask):
    adaptor, own, literal = pair(mask=mask)
    distances = []
    for step in range(10):
        with (
            counted_forwards(adaptor.segmentor.backbone) as student,
            counted_forwards(adaptor.teacher.net.backbone) as teacher,
            counted_forwards(adaptor.objectives['fd'].encoder) as imagenet,
        ):
            logs = adaptor.train_step(blocky(step), own)
        assert (student.value, teacher.value, imagenet.value) == (2 + bool(mask), 1, 1)
        theirs = literal.step(blocky(step))
        distances.append(logs['fd.loss_distance'].item())
        assert distances[-1] == pytest.approx(theirs['distance'], rel=1e-9, abs=1e-15)
        assert logs['mix.decode.loss_ce'].item() == pytest.approx(theirs['mix'], rel=1e-9)
        assert logs['segmentor.loss'].item() == pytest.approx(sum(theirs.values()), rel=1e-9)
    assert distances[2] == 0
    assert distances[3] > distances[1] > 0
    assert state_gap(adaptor.segmentor, literal.net) <= 1e-12
    assert state_gap(adaptor.teacher.net, literal.teacher.net) <= 1e-12
    assert state_gap(adaptor.objectives['fd'].encoder, literal.imagenet) == 0
    assert adaptor.teacher.steps == literal.teacher.moves


@pytest.mark.parametrize('backward', ['stages', 'summed'])
def test_one_iteration_in_single_precision_equals_the_paper(backward):
    adaptor, own, literal = pair(torch.float32, backward=backward)
    adaptor.train_step(blocky(0), own)
    literal.step(blocky(0))
    assert state_gap(adaptor.segmentor, literal.net) <= 5e-6


@pytest.mark.parametrize('wrong', [dict(weight=0.06), dict(things=(1,)), dict(margins=(5, 7))])
def test_another_setting_on_one_side_shows(wrong):
    adaptor, own, literal = pair()
    for name, value in wrong.items():
        setattr(literal, name, value)
    for step in range(2):
        adaptor.train_step(blocky(step), own)
        literal.step(blocky(step))
    assert state_gap(adaptor.segmentor, literal.net) > 1e-9


def test_no_step_waits_for_the_device():
    adaptor, own, _ = pair(mask=(0.7, 16))
    adaptor.train_step(blocky(0), own)
    batch = blocky(1)
    with Watch() as watch:
        adaptor.train_step(batch, own)
    assert watch.ours == []
