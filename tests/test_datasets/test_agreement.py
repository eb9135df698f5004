"""Parts of a config that do not agree are told by number and name."""

from types import SimpleNamespace

import pytest
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch import nn
from torch.utils.data import BatchSampler, DataLoader

from mmseg_da.datasets import SourceTargetDataset, SourceTargetSampler
from mmseg_da.datasets.agreement import check_classes, check_pairing
from mmseg_da.errors import UserError


class Model(nn.Module):
    num_classes = 3


class Wrapper(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


def labelled(count):
    return SimpleNamespace(metainfo=dict(classes=[f'class {n}' for n in range(count)]))


@pytest.mark.parametrize('model', [Model(), Wrapper(Model()), Wrapper(Wrapper(Model()))])
def test_numbers_of_classes_are_compared(model):
    check_classes(model, labelled(3))
    for count in (2, 4):
        with pytest.raises(UserError, match=f'num_classes is 3 .* has {count} classes: class 0,'):
            check_classes(model, labelled(count))


@pytest.mark.parametrize('dataset', [[], SimpleNamespace(metainfo={}), labelled(0)])
def test_a_dataset_without_classes_agrees(dataset):
    check_classes(Model(), dataset)


def test_a_model_without_classes_agrees():
    check_classes(nn.ReLU(), labelled(3))
    check_classes(Wrapper(nn.ReLU()), labelled(3))


@pytest.fixture
def pairs():
    dataset = object.__new__(SourceTargetDataset)
    dataset.source, dataset.target = range(5), range(3)
    return dataset


@pytest.mark.parametrize('kind', [InfiniteSampler, DefaultSampler])
def test_a_sampler_of_plain_indices_is_refused_for_pairs(pairs, kind):
    sampler = kind(pairs)
    for loader in (
        DataLoader(pairs, 2, sampler=sampler),
        DataLoader(pairs, batch_sampler=BatchSampler(sampler, 2, drop_last=True)),
    ):
        with pytest.raises(UserError, match=rf"{kind.__name__} .*type='SourceTargetSampler'"):
            check_pairing(loader)


def test_a_sampler_of_pairs_is_taken(pairs):
    sampler = SourceTargetSampler(pairs, seed=0)
    check_pairing(DataLoader(pairs, 2, sampler=sampler))
    check_pairing(DataLoader(pairs, batch_sampler=BatchSampler(sampler, 2, drop_last=True)))


def test_other_datasets_take_any_sampler():
    check_pairing(DataLoader([1, 2, 3], sampler=InfiniteSampler([1, 2, 3])))
