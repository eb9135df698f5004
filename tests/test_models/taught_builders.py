"""Adaptors with a teacher, and what their objectives draw, for the plain iterations."""

import torch
from builders import SUPERVISION, build_adaptor

from mmseg_da.functional import blocks, uniform, uniforms
from mmseg_da.testing import toy_batch, toy_preprocessor

SIZE = (48, 80)
MIX = dict(type='SelfTraining', threshold=0.4)  # which some of the toys' pixels reach
MASK = dict(type='MaskedConsistency', threshold=0.4, ratio=0.7, block=16)


def alike(num=2, seed=0):
    """A batch of two domains of one size; the first source image lacks a class."""
    batch = toy_batch(num, SIZE, SIZE, seed=seed)
    labels = batch['source']['data_samples'][0].gt_sem_seg.data
    labels[labels == 3] = 0
    return batch


def build(objectives, segmentor=None, alpha=0.9, **others):
    prepared = toy_preprocessor() | dict(source=dict(size=SIZE))
    others = dict(data_preprocessor=prepared, teacher=dict(alpha=alpha)) | others
    adaptor = build_adaptor(dict(seg=SUPERVISION) | objectives, segmentor, **others)
    adaptor.segmentor.decode_head.conv_seg.weight.data *= 30  # so that it is sure of some pixels
    if adaptor.teacher is not None:
        adaptor.teacher.follow(adaptor.segmentor)
        adaptor.teacher.steps.zero_()
    return adaptor


def drawn_by(adaptor, num=2, size=SIZE):
    """The draws of an iteration, as the plain iteration takes them."""
    chosen = {name: each for name, each in adaptor.objectives.items() if hasattr(each, 'draws')}

    def augmentation(objective, key):
        if not getattr(objective, 'augment', True):
            return None, None
        jitters = uniform(*key, objective.salt, 0) < objective.jitter_prob
        blurs = uniform(*key, objective.salt, 1) < objective.blur_prob
        return (
            [objective.jitter_of(key, n) for n in range(num)] if jitters else None,
            [objective.sigma_of(key, n) for n in range(num)] if blurs else None,
        )

    def draws(number):
        found = {}
        for name, each in chosen.items():
            key = int(each.draws.seed), number
            found[name] = augmentation(each, key)
            like = torch.zeros(num, 1)
            if name == 'mix':
                found['keys'] = each.keys(like, key)
            else:
                grid = blocks(each.block, *size)
                one = [
                    uniforms(*key, each.salt, 4, n, count=grid[0] * grid[1], like=like)
                    for n in range(num)
                ]
                found['blocks'] = torch.stack(one).view(num, *grid)
        return found

    return draws
