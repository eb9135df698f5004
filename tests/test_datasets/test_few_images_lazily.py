"""A dataset that waits with reading its list: the same few images, checked all the same."""

import shutil

import numpy as np
import pytest
from test_few_images import few, paths
from test_source_target import GRID, TARGET, Folder

from mmseg_da.datasets import SourceTargetDataset
from mmseg_da.datasets.one_domain import OneDomain
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

LAZY = dict(lazy_init=True)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def source(folder):
    return folder('source', [GRID] * 3)


@pytest.fixture
def full(folder):
    """Ten target images with their labels."""
    return folder('target', [np.full((4, 6), number % 3) for number in range(10)])


def merged(dataset):
    return dict(type='MergedClasses', dataset=dataset, groups=dict(thing=['car', 'sky']))


@pytest.mark.parametrize('wrap', [dict, merged])
def test_the_choice_is_made(full, wrap):
    eager, lazy = (DATASETS.build(few(wrap(each))) for each in (full, full | LAZY))
    assert paths(lazy) == paths(eager)
    assert len(lazy) == 3
    assert lazy.metainfo['few_images'] == eager.metainfo['few_images']


@pytest.mark.parametrize('several', [False, True])
def test_labelled_images_are_the_chosen_ones(source, full, several):
    cfg = few(full | LAZY)
    dataset = SourceTargetDataset(source, full | TARGET, labelled=[cfg] if several else cfg)
    assert len(dataset.labelled) == 3
    assert dataset.metainfo['few_images'] == DATASETS.build(few(full)).metainfo['few_images']


def test_a_few_images_are_the_source(source, full):
    dataset = SourceTargetDataset([few(full | LAZY), source], full | TARGET, class_mapping={})
    assert dataset.source_sizes == (3, 3)


@pytest.mark.parametrize('several', [False, True])
def test_a_list_is_looked_at(source, full, folder, several):
    labelled = full | dict(ann_file='mine.txt') | LAZY
    cfg = [labelled] if several else labelled
    (folder.root / 'target/mine.txt').write_text('007\n002\n007\n')
    with pytest.raises(UserError, match=r'images/007\.png is there twice'):
        SourceTargetDataset(source, full | TARGET, labelled=cfg)
    (folder.root / 'target/mine.txt').write_text('007\n002\n')
    (folder.root / 'target/labels/002.png').unlink()
    with pytest.raises(UserError, match=r'labels/002\.png: no such label'):
        SourceTargetDataset(source, full | TARGET, labelled=cfg)


def test_an_empty_folder_is_told(source, full, folder):
    shutil.rmtree(folder.root / 'target/images')
    (folder.root / 'target/images').mkdir()
    with pytest.raises(UserError, match=r'labelled dataset: no image found in .*images'):
        SourceTargetDataset(source, source | TARGET, labelled=few(full | LAZY))


def test_classes_alone_are_read_without_files(source, full, folder):
    """Of the domains that are not looked at, few images or not."""
    cfg = dict(
        type='SourceTargetDataset',
        source=[few(source, num=2), source],
        target=full | TARGET,
        labelled=[few(full)],
        class_mapping={},
    )
    shutil.rmtree(folder.root / 'source')
    for name in ('target', 'labelled'):
        assert len(OneDomain(cfg, name)) == (10 if name == 'target' else 3)
    shutil.rmtree(folder.root / 'target/labels')
    assert len(OneDomain(cfg, 'target')) == 10
    with pytest.raises(UserError, match='labels'):
        OneDomain(cfg, 'labelled')
