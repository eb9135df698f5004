"""Classes merged by name: labels, class lists and palettes of every kind of dataset."""

import numpy as np
import pytest
from test_source_target import LABEL, LOAD, PACK, TARGET, Folder, labels_of

from mmseg_da.datasets import SourceTargetDataset
from mmseg_da.datasets.merging import describe, merge, unwrapped
from mmseg_da.datasets.one_domain import OneDomain
from mmseg_da.datasets.presence import check_data
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

CLASSES = ('road', 'car', 'sky', 'bus', 'tree')
VEHICLE = dict(vehicle=['bus', 'car'])
IDS = [[0, 1, 2], [3, 4, 255]]


def test_groups_come_first_and_the_others_keep_their_order():
    merging = merge(CLASSES, VEHICLE, 'keep', 'here')
    assert merging.groups == dict(
        vehicle=('bus', 'car'), road=('road',), sky=('sky',), tree=('tree',)
    )
    assert merging.table == (1, 0, 2, 0, 3)
    assert merging.ignored == ()


def test_others_are_ignored_if_asked():
    merging = merge(CLASSES, VEHICLE | dict(flat=['road']), 'ignore', 'here')
    assert list(merging.groups) == ['vehicle', 'flat']
    assert merging.table == (1, 0, 255, 0, 255)
    assert describe(merging, CLASSES) == 'vehicle: bus, car; flat: road; ignored: sky, tree'


def test_a_group_may_have_the_name_of_a_member():
    assert merge(CLASSES, dict(car=['car', 'bus']), 'keep', 'here').table == (1, 0, 2, 0, 3)


@pytest.mark.parametrize(
    ('groups', 'others', 'words'),
    [
        (dict(vehicle=['lorry']), 'keep', r"group 'vehicle' names 'lorry', which is no class"),
        (dict(a=['car'], b=['car']), 'keep', r"'car' is in group 'a' and again in 'b'"),
        (dict(a=['car', 'car']), 'keep', r"'car' is in group 'a' and again in 'a'"),
        (dict(vehicle=[]), 'keep', r"group 'vehicle' is \[\]"),
        (dict(vehicle='car'), 'keep', r"group 'vehicle' is 'car', but has to be a list"),
        (dict(vehicle=None), 'keep', r"group 'vehicle' is None"),
        (dict(sky=['car']), 'keep', r"'sky' is a group and a class outside of it"),
        ({}, 'keep', r'\{\} is no dict such as'),
        (['car'], 'keep', r"\['car'\] is no dict such as"),
        (VEHICLE, 'drop', r"others='drop' is neither 'keep' nor 'ignore'"),
    ],
)
def test_groups_that_do_not_fit_are_told(groups, others, words):
    with pytest.raises(UserError, match=f'here: {words}'):
        merge(CLASSES, groups, others, 'here')


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def data(folder):
    return folder('data', [IDS] * 2, classes=CLASSES)


def merged(dataset, groups=VEHICLE, others='keep'):
    return dict(type='MergedClasses', dataset=dataset, groups=groups, others=others)


def loaded(dataset, index=0):
    return dataset[index]['data_samples'].gt_sem_seg.data[0].tolist()


def test_labels_are_those_of_the_groups(data):
    dataset = DATASETS.build(merged(data))
    assert tuple(dataset.metainfo['classes']) == ('vehicle', 'road', 'sky', 'tree')
    assert loaded(dataset) == [[1, 0, 2], [0, 3, 255]]
    assert len(dataset) == 2
    assert dataset.metainfo['merged_from']['vehicle'] == ['bus', 'car']


def test_ignored_classes_are_255(data):
    dataset = DATASETS.build(merged(data, others='ignore'))
    assert tuple(dataset.metainfo['classes']) == ('vehicle',)
    assert loaded(dataset) == [[255, 0, 255], [0, 255, 255]]


def test_colours_are_those_of_the_first_member(data):
    palette = [[number] * 3 for number in range(5)]
    data['metainfo'] = dict(classes=CLASSES, palette=palette)
    dataset = DATASETS.build(merged(data))
    assert dataset.metainfo['palette'] == [[3] * 3, [0] * 3, [2] * 3, [4] * 3]


def test_named_classes_of_a_known_dataset_are_merged(folder):
    """Ids 0 road, 13 car, 15 bus, 8 vegetation; only three of the 19 are named."""
    data = folder('data', [[[0, 13, 15, 8, 255]] * 2])
    data |= dict(
        type='CityscapesDataset',
        seg_map_suffix='.png',
        metainfo=dict(classes=('bus', 'road', 'car'), palette=[[1] * 3, [2] * 3, [3] * 3]),
    )
    dataset = DATASETS.build(merged(data))
    assert tuple(dataset.metainfo['classes']) == ('vehicle', 'road')
    assert loaded(dataset) == [[1, 0, 0, 255, 255]] * 2
    assert dataset.metainfo['palette'] == [[1] * 3, [2] * 3]


def test_an_id_that_is_no_class_is_told_not_merged(folder):
    data = folder('data', [[[0, 1, 9]] * 2], classes=CLASSES)
    dataset = SourceTargetDataset(merged(data), merged(data | TARGET))
    with pytest.raises(UserError, match=r'labels/000\.png: label 9 is none of the 4 classes'):
        dataset[0]


def test_both_domains_train_in_merged_classes(data, folder):
    target = folder('target', [np.zeros((4, 6))] * 3, classes=CLASSES, **TARGET)
    dataset = SourceTargetDataset(merged(data), merged(target))
    item = dataset[1]
    assert labels_of(item) == [[1, 0, 2], [0, 3, 255]]
    assert 'gt_sem_seg' not in item['target']['data_samples']
    assert tuple(dataset.metainfo['classes']) == ('vehicle', 'road', 'sky', 'tree')


def test_a_source_with_all_classes_meets_a_target_with_merged_ones(data, folder):
    """The same without MergedClasses on the source: its classes are mapped onto the groups."""
    target = folder('target', [np.zeros((4, 6))] * 3, classes=CLASSES, **TARGET)
    mapping = dict(car='vehicle', bus='vehicle')
    dataset = SourceTargetDataset(data, merged(target), class_mapping=mapping)
    assert labels_of(dataset[0]) == [[1, 0, 2], [0, 3, 255]]


def test_labels_of_a_merged_target_are_refused_too(data):
    with pytest.raises(UserError, match='target dataset: its pipeline has LoadAnnotations'):
        SourceTargetDataset(merged(data), merged(data))


def test_few_images_go_around_merged_classes(data):
    few = dict(type='FewImages', dataset=merged(data), num=1)
    dataset = SourceTargetDataset(merged(data), merged(data | TARGET), labelled=few)
    sample = dataset[0]['labelled']['data_samples']
    assert sample.gt_sem_seg.data[0].tolist() == [[1, 0, 2], [0, 3, 255]]


def test_what_is_no_single_dataset_is_refused(data):
    few = dict(type='FewImages', dataset=data, num=1)
    for inner in (few, dict(type='ConcatDataset', datasets=[data]), dict(pipeline=[])):
        with pytest.raises(UserError, match=r'MergedClasses: .* is no single dataset of mmseg'):
            DATASETS.build(merged(inner))
    with pytest.raises(UserError, match='names no classes'):
        DATASETS.build(merged(data | dict(metainfo=None)))


def test_the_mapping_is_logged(data, monkeypatch):
    said = []
    monkeypatch.setattr('mmseg_da.datasets.merging.print_log', lambda *args: said.append(args))
    DATASETS.build(merged(data))
    assert said == [
        ('MergedClasses: vehicle: bus, car; road: road; sky: sky; tree: tree', 'current')
    ]


def test_files_are_looked_for_and_the_other_domain_need_not_be_there(data, folder):
    target = folder('target', [np.zeros((4, 6))] * 3, classes=CLASSES, **TARGET)
    cfg = dict(type='SourceTargetDataset', source=merged(data), target=merged(target))
    check_data(dict(train_dataloader=dict(dataset=cfg)))
    (folder.root / 'data/images').rename(folder.root / 'data/gone')
    with pytest.raises(UserError, match='data/images: no such folder'):
        check_data(dict(train_dataloader=dict(dataset=cfg)))
    assert len(OneDomain(cfg, 'target')) == 3


def test_the_dataset_inside_is_found(data):
    few = dict(type='FewImages', dataset=merged(data), num=1)
    assert unwrapped(few) is data
    assert unwrapped(data) is data
    assert unwrapped([data]) == [data]


def test_validation_data_are_merged_as_a_plain_loader_reads_them(data):
    dataset = DATASETS.build(merged(data | dict(pipeline=[LOAD, LABEL, PACK], test_mode=True)))
    assert loaded(dataset, 1) == [[1, 0, 2], [0, 3, 255]]
