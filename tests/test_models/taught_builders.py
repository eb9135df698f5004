"""Adaptors with a teacher, and what their objectives draw, for the plain iterations."""

from builders import SUPERVISION, build_adaptor
from drawing import draws_of

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
    return lambda number: draws_of(adaptor, number, num, size)
