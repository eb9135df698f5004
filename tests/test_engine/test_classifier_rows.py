"""Which weights are classifiers, and which of their rows are of the same class."""

import pytest
import torch
from finetune_helpers import CLASSIFIERS

from mmseg_da.engine.class_sets import classifier_layers, matching_rows, operate
from mmseg_da.registry import MODELS
from mmseg_da.testing import toy_pspnet

pytestmark = pytest.mark.stack


def test_heads_of_this_package_name_their_classifiers():
    segmentor = toy_pspnet()
    segmentor['decode_head'] = dict(
        type='ASPPV2Head', in_channels=32, in_index=3, num_classes=3, dilations=(2, 4)
    )
    one = MODELS.build(segmentor)
    assert classifier_layers(one) == {'branches', 'conv_seg'}
    weights = {name: value + 1 for name, value in one.state_dict().items()}
    other = MODELS.build(segmentor)
    ours, theirs = other.state_dict(), dict(weights)
    report = operate(weights, other, {2: 0}, (3, 3), {'branches'})
    branches = [f'decode_head.branches.{i}.{kind}' for i in (0, 1) for kind in ('weight', 'bias')]
    assert report.remapped == branches
    for name in branches:
        assert torch.equal(weights[name][2], theirs[name][0])
        assert torch.equal(weights[name][:2], ours[name][:2])


def test_what_a_model_does_not_have_goes():
    segmentor = toy_pspnet()
    weights = MODELS.build(segmentor).state_dict()
    del segmentor['auxiliary_head']
    report = operate(weights, MODELS.build(segmentor), {}, (4, 4), {'conv_seg'})
    assert report.initialised == CLASSIFIERS[:2]
    assert report.unused[:2] == CLASSIFIERS[2:]
    assert not set(CLASSIFIERS[2:]) & set(weights)


def test_rows_by_name():
    assert matching_rows(['a', 'b'], ['B ', 'c', 'A'], {}) == {0: 1, 2: 0}
    assert matching_rows(['a', 'b'], ['c', 'd'], dict(c='a', d='a')) == {0: 0, 1: 0}
