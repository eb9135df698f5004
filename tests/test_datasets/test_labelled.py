"""A few labelled images: the same ones every time, drawn as pairs are drawn."""

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmseg.registry import TRANSFORMS

from mmseg_da.datasets import LabelledDataset, LabelledSampler, SourceTargetSampler
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS


@TRANSFORMS.register_module()
class RandomNumber:
    """A random augmentation."""

    def __call__(self, info):
        return dict(info, drawn=(np.random.rand(), torch.rand(1).item()))


@DATASETS.register_module()
class Numbers(BaseDataset):
    """Samples that are their number."""

    METAINFO = dict(classes=('one', 'two'))

    def load_data_list(self):
        return [dict(img_path=f'{number}.png') for number in range(30)]


def make(**settings):
    numbers = dict(type='Numbers', pipeline=[dict(type='RandomNumber')])
    return LabelledDataset(numbers, **settings)


def test_all_or_a_few_in_order():
    assert make().indices == list(range(30))
    few = make(num=5, seed=3)
    assert len(few) == 5
    assert few.indices == sorted(set(few.indices))
    assert [few[i]['img_path'] for i in range(5)] == [f'{i}.png' for i in few.indices]
    assert few.get_data_info(0)['img_path'] == f'{few.indices[0]}.png'
    assert few.metainfo['classes'] == ('one', 'two')


def test_they_depend_on_number_and_seed_alone_and_more_hold_fewer():
    assert make(num=7).indices == make(num=7).indices
    assert make(num=7).indices != make(num=7, seed=1).indices
    assert set(make(num=3).indices) < set(make(num=7).indices) < set(make(num=29).indices)
    # Written down: a change of these would change everybody's results.
    assert make(num=3).indices == sorted(np.random.default_rng(0).permutation(30)[:3].tolist())


@pytest.mark.parametrize(
    ('num', 'said'),
    [
        (0, 'num is 0, but has to be an integer of 1 or more'),
        (-3, 'num is -3'),
        (1.5, r'num is 1\.5'),
        (True, 'num is True'),
        (31, 'num is 31, but Numbers has 30 images here'),
    ],
)
def test_numbers_that_cannot_be(num, said):
    with pytest.raises(UserError, match=said):
        make(num=num)


def test_each_image_comes_once_before_any_returns():
    dataset = make(num=5)
    sampler = LabelledSampler(dataset, seed=0)
    assert len(sampler) == 5
    stream = iter(sampler)
    for _ in range(3):
        assert sorted(next(stream).source for _ in range(5)) == [0, 1, 2, 3, 4]


def test_a_draw_fixes_the_augmentation_and_leaves_the_random_state():
    dataset = make(num=5)
    sampler = LabelledSampler(dataset, seed=0)
    draws = [sampler.draw(position) for position in range(10)]
    one = [dataset[draw] for draw in draws]
    state = torch.get_rng_state()
    other = [dataset[draw] for draw in reversed(draws)]
    assert torch.equal(state, torch.get_rng_state())
    assert one == other[::-1]
    assert len({sample['drawn'] for sample in one}) == 10


def test_a_resumed_stream_starts_later():
    sampler = LabelledSampler(make(num=5), seed=0)
    whole = [draw for draw, _ in zip(sampler, range(12), strict=False)]
    sampler.start = 7
    assert [draw for draw, _ in zip(sampler, range(5), strict=False)] == whole[7:]
    assert isinstance(sampler, SourceTargetSampler)  # which is what the loop asks


def test_another_dataset_is_refused():
    with pytest.raises(UserError, match='LabelledDataset, not from Numbers'):
        LabelledSampler(Numbers())
