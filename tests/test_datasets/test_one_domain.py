"""One domain alone: mapped source labels, no target labels, nothing of the other domain read."""

import shutil

import numpy as np
import pytest
from mmengine.config import ConfigDict
from street_data import picture, save

from mmseg_da.datasets.one_domain import OneDomain
from mmseg_da.errors import UserError

SOURCE = dict(classes=('road', 'car', 'lorry'), palette=[[1, 1, 1], [2, 2, 2], [3, 3, 3]])
TARGET = dict(classes=('car', 'road'), palette=[[2, 2, 2], [1, 1, 1]])
LABELS = np.uint8([[0, 1, 2, 255] * 5] * 12)


def domain(root, metainfo, labelled):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')][: 1 + labelled]
    return dict(
        type='BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path='img', **(dict(seg_map_path='ann') if labelled else {})),
        img_suffix='.png',
        metainfo=metainfo,
        pipeline=[
            *pipeline,
            dict(type='RandomCrop', crop_size=(8, 8)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ],
    )


@pytest.fixture
def cfg(tmp_path):
    for name in ('source', 'target'):
        for number in range(3):
            save(tmp_path / f'{name}/img/{number}.png', picture((12, 20), number))
    for number in range(3):
        save(tmp_path / f'source/ann/{number}.png', LABELS)
    return ConfigDict(
        type='SourceTargetDataset',
        source=domain(tmp_path / 'source', SOURCE, True),
        target=domain(tmp_path / 'target', TARGET, False),
        class_mapping=dict(lorry=None),
    )


def test_source_labels_are_in_the_targets_classes(cfg):
    cfg.source.pipeline = [each for each in cfg.source.pipeline if 'Random' not in each.type]
    dataset = OneDomain(cfg, 'source')
    assert len(dataset) == 3
    assert dataset.metainfo['classes'] == TARGET['classes']
    labels = dataset[0]['data_samples'].gt_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(labels, np.array([1, 0, 255, 255])[LABELS.clip(max=3)])
    assert dataset.image_path(2).endswith('source/img/2.png')


def test_the_target_has_no_labels(cfg):
    dataset = OneDomain(cfg, 'target')
    sample = dataset[1]
    assert 'gt_sem_seg' not in sample['data_samples']
    assert sample['inputs'].shape == (3, 8, 8)
    assert sample['data_samples'].img_path.endswith('target/img/1.png')


@pytest.mark.parametrize('name', ['source', 'target'])
def test_a_sample_is_the_same_at_every_call(cfg, name):
    dataset, again = OneDomain(cfg, name), OneDomain(cfg, name)
    state = np.random.get_state()[1].copy()
    for number in range(3):
        np.testing.assert_array_equal(dataset[number]['inputs'], again[number]['inputs'])
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    crops = [dataset[number]['data_samples'].metainfo.get('flip') for number in range(3)]
    assert None not in crops


@pytest.mark.parametrize(('name', 'other'), [('source', 'target'), ('target', 'source')])
def test_the_other_domain_need_not_be_there(cfg, tmp_path, name, other):
    shutil.rmtree(tmp_path / other)
    assert len(OneDomain(cfg, name)) == 3
    with pytest.raises(UserError, match=f'{other}/img: no such folder'):
        OneDomain(cfg, other)


def test_target_labels_are_refused_if_the_pipeline_reads_them(cfg, tmp_path):
    shutil.copytree(tmp_path / 'source/ann', tmp_path / 'target/ann')
    cfg.target = domain(tmp_path / 'target', TARGET, True)
    with pytest.raises(UserError, match='never read'):
        OneDomain(cfg, 'target')


def test_an_ordinary_dataset_is_the_source(cfg):
    dataset = OneDomain(cfg.source, 'source')
    assert len(dataset) == 3
    assert dataset.metainfo['classes'] == SOURCE['classes']
    assert dataset[0]['data_samples'].gt_sem_seg.data.max() == 255
    with pytest.raises(UserError, match='has no target'):
        OneDomain(cfg.source, 'target')


def test_an_ordinary_dataset_names_what_cannot_be_read(cfg, tmp_path):
    (tmp_path / 'source/img/1.png').write_bytes(b'no image')
    dataset = OneDomain(cfg.source, 'source')
    with pytest.raises(UserError, match=r'source/img/1\.png: is no image'):
        dataset[1]
    cfg.source.pipeline.pop()
    with pytest.raises(UserError, match=r'does not end in .*PackSegInputs'):
        OneDomain(cfg.source, 'source')[0]


def test_several_sources_are_one_domain(cfg, tmp_path):
    shutil.copytree(tmp_path / 'source', tmp_path / 'more')
    cfg.source = [cfg.source, domain(tmp_path / 'more', SOURCE, True)]
    dataset = OneDomain(cfg, 'source')
    assert len(dataset) == 6
    assert dataset.image_path(4).endswith('more/img/1.png')
    assert set(np.unique(dataset[4]['data_samples'].gt_sem_seg.data)) <= {0, 1, 255}


def test_another_domain_is_refused(cfg):
    with pytest.raises(UserError, match="'both' is no domain"):
        OneDomain(cfg, 'both')
