"""The paired dataset: what its items hold, which mistakes it names, and what a draw fixes."""

import json
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmseg.structures import SegDataSample
from PIL import Image
from torch.utils.data import DataLoader

from mmseg_da.datasets import Draw, SourceTargetDataset
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

LOAD, LABEL, PACK = (
    dict(type=t) for t in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')
)
FLIP = dict(type='RandomFlip', prob=0.5)
JITTER = dict(type='PhotoMetricDistortion')


class MakeLabels:
    """A transform that sets labels and is no LoadAnnotations."""

    def __call__(self, results):
        return results | dict(gt_seg_map=np.zeros((4, 6), np.uint8), seg_fields=['gt_seg_map'])


class Folder:
    """Writes tiny images and labels below a folder and gives the config of the dataset."""

    def __init__(self, root):
        self.root = root

    def __call__(self, name, labels, classes=('road', 'sky', 'car'), suffix='.png', **cfg):
        """``labels`` are one 2-d list per image; the image's pixels are its number times ten."""
        for number, ids in enumerate(labels):
            ids = np.uint8(ids)
            image = self.root / name / f'images/{number:03d}{suffix}'
            label = self.root / name / f'labels/{number:03d}.png'
            for path in (image, label):
                path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((*ids.shape, 3), 10 * number, np.uint8)).save(image)
            Image.fromarray(ids).save(label)
        given = dict(
            type='BaseSegDataset',
            data_root=str(self.root / name),
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            img_suffix=suffix,
            metainfo=dict(classes=classes),
            pipeline=[LOAD, LABEL, PACK],
        )
        return given | cfg


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


GRID = [[0, 1, 2, 255], [2, 1, 0, 0]]
TARGET = dict(pipeline=[LOAD, PACK])


@pytest.fixture
def source(folder):
    return folder('source', [GRID] * 3)


@pytest.fixture
def target(folder):
    return folder('target', [np.zeros((4, 6))] * 5, **TARGET)


def labels_of(item):
    return item['source']['data_samples'].gt_sem_seg.data[0].tolist()


def test_items_have_the_shapes_of_mmseg(source, target):
    item = SourceTargetDataset(source, target)[1]
    assert set(item) == {'source', 'target'}
    assert item['source']['inputs'].shape == (3, 2, 4)
    assert item['target']['inputs'].shape == (3, 4, 6)
    assert item['source']['inputs'].dtype == torch.uint8
    assert set(item['source']['inputs'].unique().tolist()) == {10}  # image number 1
    assert isinstance(item['source']['data_samples'], SegDataSample)
    assert item['source']['data_samples'].gt_sem_seg.data.shape == (1, 2, 4)
    assert labels_of(item) == GRID
    assert 'gt_sem_seg' not in item['target']['data_samples']


def test_items_collate_by_domain(source, target):
    dataset = SourceTargetDataset(source, target)
    batch = pseudo_collate([dataset[0], dataset[1]])
    assert [x.shape for x in batch['source']['inputs']] == [(3, 2, 4)] * 2
    assert [x.shape for x in batch['target']['inputs']] == [(3, 4, 6)] * 2
    assert len(batch['source']['data_samples']) == 2


def test_target_labels_are_never_read(source, folder):
    target = folder('target', [np.zeros((4, 6))] * 2, **TARGET)
    for path in (folder.root / 'target/labels').iterdir():
        path.write_bytes(b'no label')
    dataset = SourceTargetDataset(source, target)
    assert len([dataset[i] for i in range(3)]) == 3
    (folder.root / 'target/labels').rename(folder.root / 'target/gone')
    assert len([SourceTargetDataset(source, target)[i] for i in range(3)]) == 3


def test_annotations_in_the_target_pipeline_are_refused(source, target):
    with pytest.raises(UserError, match='target dataset: its pipeline has LoadAnnotations'):
        SourceTargetDataset(source, target | dict(pipeline=[LOAD, LABEL, PACK]))


def test_nested_annotations_in_the_target_pipeline_are_refused(source, target):
    nested = dict(type='RandomApply', transforms=[LABEL], prob=1.0)
    with pytest.raises(UserError, match='LoadAnnotations'):
        SourceTargetDataset(source, target | dict(pipeline=[LOAD, nested, PACK]))


def test_a_target_pipeline_may_not_set_labels_in_another_way(source, target):
    pipeline = [LOAD, dict(type=MakeLabels), PACK]
    dataset = SourceTargetDataset(source, target | dict(pipeline=pipeline))
    with pytest.raises(UserError, match='target dataset: its pipeline sets labels'):
        dataset[0]


def test_differing_classes_stop_with_both_lists(folder, target):
    source = folder('source', [GRID], classes=('road', 'sky', 'van'))
    with pytest.raises(UserError) as error:
        SourceTargetDataset(source, target)
    assert "source: ['road', 'sky', 'van']" in str(error.value)
    assert "target: ['road', 'sky', 'car']" in str(error.value)
    assert 'class_mapping' in str(error.value)


def test_the_order_of_classes_counts(folder, target):
    source = folder('source', [GRID], classes=('sky', 'road', 'car'))
    with pytest.raises(UserError, match='differ'):
        SourceTargetDataset(source, target)


def test_classes_are_mapped_by_name_pixel_by_pixel(folder, target):
    source = folder('source', [GRID], classes=('van', 'road', 'dust'))
    item = SourceTargetDataset(source, target, class_mapping=dict(van='car', dust=None))[0]
    # van 0 -> car 2, road 1 -> road 0, dust 2 -> ignored, 255 stays
    assert labels_of(item) == [[2, 0, 255, 255], [255, 0, 2, 2]]


def test_a_class_without_partner_is_named(folder, target):
    source = folder('source', [GRID], classes=('van', 'road', 'dust'))
    with pytest.raises(UserError, match=r"\['dust'\] have no entry"):
        SourceTargetDataset(source, target, class_mapping=dict(van='car'))


def test_an_unknown_target_class_is_named(folder, target):
    source = folder('source', [GRID], classes=('van', 'road', 'sky'))
    with pytest.raises(UserError, match=r"\['lorry'\] are no target classes"):
        SourceTargetDataset(source, target, class_mapping=dict(van='lorry'))


def test_an_unknown_source_class_in_the_mapping_is_named(folder, target):
    source = folder('source', [GRID], classes=('van', 'road', 'sky'))
    with pytest.raises(UserError, match='vam'):
        SourceTargetDataset(source, target, class_mapping=dict(van='car', vam='car'))


def test_an_entry_of_the_mapping_counts_even_if_the_lists_agree(source, target):
    item = SourceTargetDataset(source, target, class_mapping=dict(car=None))[0]
    assert labels_of(item) == [[0, 1, 255, 255], [255, 1, 0, 0]]


def test_several_sources_keep_their_own_mapping(folder, target):
    first = folder('first', [GRID] * 2)
    second = folder('second', [[[0, 1], [1, 255]]] * 3, classes=('van', 'road'))
    dataset = SourceTargetDataset([first, second], target, class_mapping=dict(van='car'))
    assert len(dataset) == 5
    found = [labels_of(dataset[i]) for i in range(5)]
    assert found == [GRID] * 2 + [[[2, 0], [0, 255]]] * 3


def test_several_targets_are_drawn_from(folder, source):
    one = folder('one', [np.zeros((4, 6))] * 2, **TARGET)
    two = folder('two', [np.zeros((8, 6))] * 3, **TARGET)
    dataset = SourceTargetDataset(source, [one, two])
    heights = [dataset[Draw(0, i, 0)]['target']['inputs'].shape[1] for i in range(5)]
    assert heights == [4, 4, 8, 8, 8]


def test_targets_of_differing_classes_are_refused(folder, source, target):
    other = folder('other', [GRID], classes=('road', 'car', 'sky'), **TARGET)
    with pytest.raises(UserError, match='target datasets differ in their classes'):
        SourceTargetDataset(source, [target, other])


def test_one_dataset_in_a_list_is_enough(source, target):
    item = SourceTargetDataset([source], [target])[2]
    assert item['source']['inputs'].shape == (3, 2, 4)


def test_an_empty_list_is_refused(target):
    with pytest.raises(UserError, match='source'):
        SourceTargetDataset([], target)


@pytest.mark.parametrize('below', ['/images', '/?'])  # the second is the class's own default
@pytest.mark.parametrize('domain', ['source', 'target'])
def test_an_empty_dataset_names_its_folder(source, target, domain, below):
    cfgs = dict(source=source, target=target)
    cfgs[domain] = cfgs[domain] | dict(img_suffix='.tif')
    if below != '/images':
        del cfgs[domain]['data_prefix']
    with pytest.raises(UserError, match=rf'{domain} dataset: no image .*{domain}{below};'):
        DATASETS.build(dict(type='SourceTargetDataset', **cfgs))


@pytest.mark.parametrize('workers', [0, 1])
def test_a_label_out_of_range_names_its_file(folder, target, workers):
    source = folder('source', [GRID, [[0, 1], [33, 2]]])
    loader = DataLoader(
        SourceTargetDataset(source, target), num_workers=workers, collate_fn=pseudo_collate
    )
    with pytest.raises(UserError, match=r'labels/001\.png: label 33 is none of the 3 classes'):
        list(loader)


def test_a_label_out_of_range_is_seen_through_a_mapping(folder, target):
    source = folder('source', [[[0, 3], [0, 0]]], classes=('van', 'road', 'sky'))
    dataset = SourceTargetDataset(source, target, class_mapping=dict(van='car'))
    with pytest.raises(UserError, match='label 3'):
        dataset[0]


def test_metainfo_is_the_targets_in_plain_types(source, target):
    dataset = SourceTargetDataset(source, target)
    assert tuple(dataset.metainfo['classes']) == ('road', 'sky', 'car')
    json.dumps(dataset.metainfo)
    pickle.dumps(dataset.metainfo)
    dataset.metainfo['classes'] = ()
    assert tuple(dataset.metainfo['classes']) == ('road', 'sky', 'car')


def test_domains_have_their_own_pipelines_and_suffixes(folder):
    resize = dict(type='Resize', scale=(8, 8), keep_ratio=False)
    source = folder('source', [GRID] * 2, suffix='.jpg', pipeline=[LOAD, LABEL, resize, PACK])
    target = folder('target', [GRID] * 2, **TARGET)
    item = SourceTargetDataset(source, target)[0]
    assert item['source']['inputs'].shape == (3, 8, 8)
    assert item['target']['inputs'].shape == (3, 2, 4)
    assert item['source']['data_samples'].img_path.endswith('.jpg')


@pytest.fixture
def augmented(folder):
    def noise(*shape):
        return np.arange(np.prod(shape)).reshape(shape) % 3

    source = folder('source', [noise(8, 9)] * 4, pipeline=[LOAD, LABEL, FLIP, JITTER, PACK])
    target = folder('target', [noise(7, 6)] * 6, pipeline=[LOAD, FLIP, JITTER, PACK])
    return SourceTargetDataset(source, target)


def pixels(item):
    return torch.cat([item[name]['inputs'].flatten() for name in ('source', 'target')])


def test_a_draw_fixes_every_augmentation(augmented):
    draws = [Draw(3, 5, seed) for seed in range(20)]
    once = [pixels(augmented[draw]) for draw in draws]
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    again = [pixels(augmented[draw]) for draw in reversed(draws)][::-1]
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert len({tuple(each.tolist()) for each in once}) > 10  # and seeds do differ


def test_a_draw_leaves_the_callers_random_state(augmented):
    def numbers():
        return random.random(), np.random.rand(), torch.rand(1).item()

    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    expected = numbers()
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    augmented[Draw(0, 0, 7)]
    assert numbers() == expected


@pytest.mark.parametrize('workers', [1, 2])
def test_workers_make_no_difference(augmented, workers):
    draws = [Draw(i % 4, i % 6, 100 + i) for i in range(8)]
    here = [pixels(augmented[draw]) for draw in draws]
    loader = DataLoader(
        augmented, sampler=draws, num_workers=workers, batch_size=None, collate_fn=lambda x: x
    )
    there = [pixels(item) for item in loader]
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
