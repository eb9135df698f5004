"""Weights are compared by name and shape."""

import torch
from torch import nn

from mmseg_da.engine.fitting import compare, segmentor_weights, weights_of
from mmseg_da.models import ImagePool

NETWORK = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


def test_equal_weights_have_no_misfits():
    misfits = compare(NETWORK, NETWORK.state_dict())
    assert not any(misfits)
    assert str(misfits) == ''


def test_each_kind_of_misfit_is_named():
    weights = {'0.weight': torch.zeros(3, 4), '0.bias': torch.zeros(3), 'extra': torch.zeros(())}
    misfits = compare(NETWORK, weights)
    assert misfits.missing == ['1.weight', '1.bias']
    assert misfits.unexpected == ['extra']
    assert misfits.reshaped == ['0.weight 3x4 instead of 3x2']
    assert str(misfits) == (
        'missing: 1.weight, 1.bias; unexpected: extra; of another shape: 0.weight 3x4 instead of 3x2'
    )


def test_a_long_list_is_cut_short():
    many = {f'w{n}': torch.zeros(()) for n in range(9)}
    assert 'unexpected: w0, w1, w2 and 6 more' in str(compare(NETWORK, many))


def test_weights_are_found_with_and_without_wrappers():
    value = torch.zeros(1)
    expected = {'a.b': value}
    assert weights_of(dict(state_dict={'module.a.b': value}, meta={})) == expected
    assert weights_of({'a.b': value, 'epoch': 3}) == expected
    assert weights_of(dict(state_dict=[value])) == {}


def test_the_segmentor_is_found_in_an_adaptor_and_alone():
    one, two = torch.zeros(1), torch.ones(1)
    inner = {'backbone.w': one}
    assert segmentor_weights({'segmentor.backbone.w': one, 'objectives.adv.w': two}) == inner
    assert segmentor_weights(inner) == inner


def test_what_is_empty_until_it_is_used_takes_any_shape():
    pool, used = ImagePool(2), ImagePool(2)
    used.query(torch.rand(3, 3, 8, 8))
    assert not any(compare(pool, used.state_dict()))
    assert compare(used, pool.state_dict()).reshaped == ['images 2x3x0x0 instead of 2x3x8x8']
