"""Self-training and masking take any number of images and classes, any sizes and any names."""

import copy

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers, state_gap
from literal import LiteralDACS
from taught_builders import MASK, MIX, drawn_by

from mmseg_da.testing import toy_batch, toy_optim_wrapper, toy_preprocessor, toy_pspnet

TERMS = dict(mix=MIX, mask=MASK)
LR = 1e-3


def network(num_classes):
    """Group norm, so that the statistics of one image are no trouble."""
    cfg = toy_pspnet('GN')
    for head in ('decode_head', 'auxiliary_head'):
        cfg[head]['num_classes'] = num_classes
    return cfg


def batch(num, size, num_classes, seed=0):
    """Labels of all classes, and 255."""
    made = toy_batch(num, size, size, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for sample in made['source']['data_samples']:
        labels = torch.randint(0, num_classes + 1, (1, *size), generator=generator)
        sample.gt_sem_seg.data = labels.masked_fill(labels == num_classes, 255)
    return made


def pair(size, num, num_classes):
    """The product, its optimizers, and the plain iteration."""
    adaptor = build_adaptor(
        dict(seg=SUPERVISION) | TERMS,
        network(num_classes),
        data_preprocessor=toy_preprocessor() | {d: dict(size=size) for d in ('source', 'target')},
        teacher=dict(alpha=0.9),
    ).double()
    adaptor.segmentor.decode_head.conv_seg.weight.data *= 30
    adaptor.teacher.net.load_state_dict(adaptor.segmentor.state_dict())
    clone = copy.deepcopy(adaptor)
    literal = LiteralDACS(
        clone.segmentor, aux_weight=0.4, lr=LR, alpha=0.9, threshold=0.4, whole_batch=True,
        mask=(0.7, 16), draws=drawn_by(clone, num, size),
    )  # fmt: skip
    cfg = toy_optim_wrapper(rivals=False)
    cfg['segmentor']['optimizer']['lr'] = LR
    return adaptor, build_wrappers(adaptor, cfg), literal


@pytest.mark.parametrize('num', [1, 4])
@pytest.mark.parametrize('size', [(47, 61), (64, 33)])
@pytest.mark.parametrize('num_classes', [2, 3, 30])
def test_every_combination_equals_the_paper(num, size, num_classes):
    adaptor, wrappers, literal = pair(size, num, num_classes)
    for step in range(2):
        logs = adaptor.train_step(batch(num, size, num_classes, step), wrappers)
        theirs = literal.step(batch(num, size, num_classes, step))
        for name in TERMS:
            assert logs[f'{name}.decode.loss_ce'].item() == pytest.approx(theirs[name], rel=1e-9)
    assert state_gap(adaptor.segmentor, literal.net) <= 1e-12
    assert state_gap(adaptor.teacher.net, literal.teacher.net) <= 1e-12


def test_an_image_without_any_label_is_pasted_whole_and_teaches_nothing():
    """255 is then the one class there is, and half of one, rounded up, is one."""
    adaptor, _, _ = pair((32, 32), 1, 3)
    data = batch(1, (32, 32), 3)
    data['source']['data_samples'][0].gt_sem_seg.data.fill_(255)
    step = adaptor.begin_step(adaptor.data_preprocessor(data, training=True))
    mix = adaptor.objectives['mix']
    _, labels, _, _ = mix.mixture(step, (0, 0))
    assert (labels == 255).all()
    loss = mix.losses(step)['decode.loss_ce']
    assert loss == 0
    loss.backward()
    gradients = [p.grad for p in adaptor.segmentor.parameters() if p.grad is not None]
    assert all(torch.isfinite(each).all() for each in gradients)


def test_classes_that_the_labels_never_hold_are_not_chosen():
    """Nothing depends on all classes being there, as in SYNTHIA with 16 of 19."""
    adaptor, wrappers, _ = pair((32, 32), 2, 30)
    data = batch(2, (32, 32), 3)
    step = adaptor.begin_step(adaptor.data_preprocessor(copy.deepcopy(data), training=True))
    chosen = adaptor.objectives['mix'].chosen(step.source.labels.long(), (0, 0))
    assert chosen.shape == (2, 31)
    assert not chosen[:, 3:30].any()
    assert chosen.sum(dim=1).tolist() == [2, 2]  # of 0, 1, 2 and 255
    logs = adaptor.train_step(data, wrappers)
    assert all(torch.isfinite(torch.as_tensor(value)) for value in logs.values())
