"""A few labelled images: the same ones every time, drawn as pairs are drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmseg.registry import TRANSFORMS

from mmseg_da.datasets import LabelledDataset, LabelledSampler, SourceTargetSampler
from mmseg_da.datasets.few_images import choose_few
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
        folder = self.data_prefix.get('img_path', '')
        return [dict(img_path=f'{folder}/{number}.png') for number in range(30)]


@pytest.fixture
def make(tmp_path):
    for number in range(30):
        (tmp_path / f'{number}.png').touch()
    prefix = dict(img_path=str(tmp_path))
    numbers = dict(type='Numbers', data_prefix=prefix, pipeline=[dict(type='RandomNumber')])
    return lambda **settings: LabelledDataset(numbers, **settings)


def names(dataset):
    return [Path(dataset.get_data_info(index)['img_path']).stem for index in range(len(dataset))]


def test_all_or_a_few_of_few_images(make):
    assert names(make()) == [str(number) for number in range(30)]
    few = make(num=5, seed=3)
    assert len(few) == 5
    assert set(names(few)) == {
        Path(n).stem for n in choose_few([f'{n}.png' for n in range(30)], 5, 3)
    }
    assert [Path(few[i]['img_path']).stem for i in range(5)] == names(few)
    assert few.metainfo['classes'] == ('one', 'two')


def test_more_hold_fewer(make):
    assert names(make(num=7)) != names(make(num=7, seed=1))
    assert set(names(make(num=3))) < set(names(make(num=7))) < set(names(make(num=29)))


@pytest.mark.parametrize('num', [0, -3, 1.5, True, 31])
def test_numbers_that_cannot_be(make, num):
    with pytest.raises(UserError, match=f'num is {num},'):
        make(num=num)


def test_each_image_comes_once_before_any_returns(make):
    dataset = make(num=5)
    sampler = LabelledSampler(dataset, seed=0)
    assert len(sampler) == 5
    stream = iter(sampler)
    for _ in range(3):
        assert sorted(next(stream).source for _ in range(5)) == [0, 1, 2, 3, 4]


def test_a_draw_fixes_the_augmentation_and_leaves_the_random_state(make):
    dataset = make(num=5)
    sampler = LabelledSampler(dataset, seed=0)
    draws = [sampler.draw(position) for position in range(10)]
    one = [dataset[draw] for draw in draws]
    state = torch.get_rng_state()
    other = [dataset[draw] for draw in reversed(draws)]
    assert torch.equal(state, torch.get_rng_state())
    assert one == other[::-1]
    assert len({sample['drawn'] for sample in one}) == 10


def test_a_resumed_stream_starts_later(make):
    sampler = LabelledSampler(make(num=5), seed=0)
    whole = [draw for draw, _ in zip(sampler, range(12), strict=False)]
    sampler.start = 7
    assert [draw for draw, _ in zip(sampler, range(5), strict=False)] == whole[7:]
    assert isinstance(sampler, SourceTargetSampler)  # which is what the loop asks


def test_another_dataset_is_refused():
    with pytest.raises(UserError, match='LabelledDataset, not from Numbers'):
        LabelledSampler(Numbers())
