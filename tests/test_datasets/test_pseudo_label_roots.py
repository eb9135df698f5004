"""Whose label is it: images of one name in several folders, with and without labels."""

import numpy as np
import pytest
from test_pseudo_label_files import CLASSES, LABEL, LOAD, PACK
from test_source_target import GRID, Folder

from mmseg_da.datasets import SourceTargetDataset
from mmseg_da.datasets.one_domain import OneDomain
from mmseg_da.datasets.pseudo_labels import write_label
from mmseg_da.errors import UserError


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def domain(folder, name, count):
    return folder(name, [GRID] * count, CLASSES)


def data(folder, targets, **labels):
    """A training on the target folders, of which labels lie at these names with these classes."""
    for name, ids in labels.items():
        path = folder.root / f'pseudo/{name.replace("__", "/")}.png'
        write_label(path, np.full_like(GRID, ids, np.uint8), None)
    load = dict(type='LoadPseudoLabels', folder=str(folder.root / 'pseudo'))
    source = domain(folder, 'source', 2) | dict(pipeline=[LOAD, LABEL, PACK])
    return SourceTargetDataset(
        source, [each | dict(pipeline=[LOAD, load, PACK]) for each in targets]
    )


def seen(data):
    samples = [data.target_sample(i)['data_samples'] for i in range(len(data.target))]
    return [int(sample.pseudo_sem_seg.data[0, 0, 0]) for sample in samples]


def whole(folder, name, sub=''):
    """One dataset of all images below a folder."""
    made = domain(folder, f'{name}/{sub}' if sub else name, 1)
    return made | dict(data_root=str(folder.root / name), data_prefix=dict(img_path=''))


def test_labels_are_those_of_the_same_folder(folder):
    for name in ('all/a', 'all/b'):
        target = whole(folder, 'all', name[-1])
    for name in ('a', 'b'):
        for path in (folder.root / 'all' / name / 'labels').iterdir():
            path.unlink()
    target = target | dict(data_prefix=dict(img_path=''))
    named = {'a__images__000': 1, 'b__images__000': 2}
    assert seen(data(folder, [target], **named)) == [1, 2]


def test_a_label_of_another_folder_is_not_taken(folder):
    """Labels were made of the images of one folder alone, so they lie flat."""
    for name in ('a', 'b'):
        target = whole(folder, 'all', name)
        (folder.root / 'all' / name / 'labels/000.png').unlink()
    with pytest.raises(UserError, match=r'000\.png: has no pseudo label in .*pseudo'):
        data(folder, [target], **{'000': 1})


def test_a_dataset_that_waits_with_its_list_is_no_exception(folder):
    target = domain(folder, 'a', 2) | dict(lazy_init=True)
    with pytest.raises(UserError, match=r'images/001\.png: has no pseudo label'):
        data(folder, [target], **{'000': 1})


def test_the_source_alone_needs_no_pseudo_labels(folder):
    load = dict(type='LoadPseudoLabels', folder='nowhere')
    cfg = dict(
        type='SourceTargetDataset',
        source=domain(folder, 'source', 2),
        target=[domain(folder, 'a', 2) | dict(pipeline=[LOAD, load, PACK])],
    )
    assert len(OneDomain(cfg, 'source')) == 2


def test_two_datasets_do_not_share_a_label(folder):
    targets = [domain(folder, name, 1) for name in ('a', 'b')]
    with pytest.raises(UserError, match=r'b/images/000\.png and .*a/images/000\.png would both'):
        data(folder, targets, **{'000': 1})


def test_an_image_without_a_label_is_told_at_the_start(folder):
    with pytest.raises(UserError, match=r'images/001\.png: has no pseudo label'):
        data(folder, [domain(folder, 'a', 2)], **{'000': 1})


def test_some_of_the_labelled_images_find_theirs(folder):
    target = domain(folder, 'a', 2)
    named = {'a__images__000': 1, 'a__images__001': 2, 'b__images__000': 0}
    assert seen(data(folder, [target], **named)) == [1, 2]
