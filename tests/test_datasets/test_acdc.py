"""ACDC and Dark Zurich as they are published, and the configs that adapt Cityscapes to them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from street_data import picture, save, save_ids

from mmseg_da.datasets import ACDCDataset
from mmseg_da.datasets.presence import check_data
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

BASES = Path(__file__).resolve().parents[2] / 'configs/_base_/datasets'
CONDITIONS = ('fog', 'night', 'rain', 'snow')
PACKED = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]


def frame(root, folder, name, number, labelled=True):
    """An image, and its label of one class, the number."""
    save(root / f'rgb_anon/{folder}/{name}_rgb_anon.png', picture((54, 96), number))
    if labelled:
        label = root / f'gt/{folder}/{name}_gt_labelTrainIds.png'
        save_ids(label, np.full((54, 96), number))
        save_ids(label.with_name(label.name.replace('TrainIds', 'Ids')), np.full((54, 96), 33))


@pytest.fixture
def acdc(tmp_path):
    """Two sequences of each condition and split, as in the archives, reference images included."""
    root = tmp_path / 'acdc'
    for number, condition in enumerate(CONDITIONS):
        for split in ('train', 'val', 'test'):
            for sequence in range(2):
                name = f'GOPR{number}{sequence}/GOPR{number}{sequence}_frame_{len(split):06d}'
                frame(root, f'{condition}/{split}', name, number, labelled=split != 'test')
            save(
                root / f'rgb_anon/{condition}/{split}_ref/GOPR9/x_rgb_ref_anon.png',
                picture((4, 4), 9),
            )
    return root


@pytest.fixture
def others(tmp_path):
    """Dark Zurich, Cityscapes, GTA5 and SYNTHIA with one image each."""
    for split in ('train', 'val'):
        frame(tmp_path / 'dark_zurich', f'{split}/night', 'GOPR0351/GOPR0351_frame_000001', 5)
        city = tmp_path / 'cityscapes'
        save(city / f'leftImg8bit/{split}/a/a_0_0_leftImg8bit.png', picture((64, 128), 1))
        save_ids(city / f'gtFine/{split}/a/a_0_0_gtFine_labelTrainIds.png', halves((64, 128)))
    save(tmp_path / 'gta/images/00001.png', picture((53, 96), 2))
    save_ids(tmp_path / 'gta/labels/00001_labelTrainIds.png', halves((53, 96)))
    save(tmp_path / 'synthia/RGB/0.png', picture((76, 128), 3))
    save_ids(tmp_path / 'synthia/GT/LABELS/0_labelTrainIds.png', halves((76, 128)))
    return tmp_path


def halves(shape):
    ids = np.zeros(shape)
    ids[:, ::2] = 7
    return ids


def build(root, **options):
    return DATASETS.build(dict(type='ACDCDataset', data_root=str(root), pipeline=PACKED, **options))


def names(dataset):
    return [
        str(Path(dataset.get_data_info(index)['img_path']).relative_to(dataset.data_root))
        for index in range(len(dataset))
    ]


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
def test_it_finds_the_images_of_a_split_and_no_reference(acdc, split):
    found = names(build(acdc, split=split))
    assert len(found) == 8
    assert [name.split('/')[1:3] for name in found[::2]] == [[each, split] for each in CONDITIONS]
    assert not any('ref' in name for name in found)


def test_labels_are_those_of_the_images(acdc):
    dataset = build(acdc)
    assert [dataset[index]['data_samples'].gt_sem_seg.data.max().item() for index in range(8)] == [
        *(0, 0, 1, 1, 2, 2, 3, 3)
    ]
    assert dataset.data_prefix['img_path'] == str(acdc / 'rgb_anon')
    assert len(dataset.metainfo['classes']) == 19


def test_some_conditions_in_the_order_of_the_list(acdc):
    found = names(build(acdc, conditions=['snow', 'fog'], split='val'))
    assert [name.split('/')[1] for name in found] == ['snow', 'snow', 'fog', 'fog']


def test_a_list_of_images_needs_no_split(acdc):
    (acdc / 'mine.txt').write_text('rain/val/GOPR20/GOPR20_frame_000003\n')
    dataset = build(acdc, ann_file='mine.txt')
    assert dataset[0]['data_samples'].gt_sem_seg.data.max() == 2


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (dict(split='training'), "split is 'training'"),
        (dict(conditions='fog'), "conditions is 'fog'"),
        (dict(conditions=[]), 'conditions is \\[\\]'),
        (dict(conditions=['fog', 'hail']), "'hail'"),
        (
            dict(conditions=[['fog']]),
            "has to be a list of some of \\['fog', 'night', 'rain', 'snow",
        ),
    ],
)
def test_wrong_splits_and_conditions_are_told(acdc, options, said):
    with pytest.raises(UserError, match=said):
        build(acdc, **options)
    cfg = dict(type='ACDCDataset', data_root=str(acdc), **options)
    with pytest.raises(UserError, match=said):
        check_data(dict(val_dataloader=dict(dataset=cfg)))


def loaders(acdc, **options):
    cfg = dict(type='ACDCDataset', data_root=str(acdc), pipeline=PACKED, **options)
    return dict(val_dataloader=dict(dataset=cfg))


def test_every_condition_is_looked_for_before_a_training(acdc):
    check_data(loaders(acdc))
    shutil.rmtree(acdc / 'rgb_anon/rain/train')
    with pytest.raises(UserError, match=r'rgb_anon/rain/train: no such folder\. docs/data\.md'):
        check_data(loaders(acdc))
    check_data(loaders(acdc, conditions=['fog']))
    (acdc / 'gt/snow/val/GOPR30/GOPR30_frame_000003_gt_labelTrainIds.png').unlink()
    with pytest.raises(UserError, match=r'GOPR30_frame_000003_gt_labelTrainIds.*no such label'):
        check_data(loaders(acdc, split='val', conditions=['snow']))
    assert ACDCDataset.parts(dict(ann_file='mine.txt'))[0]['data_prefix']['img_path'] == 'rgb_anon'


CONFIGS = [
    *(
        f'cityscapes2{target}_crops{size}'
        for target in ('acdc', 'darkzurich')
        for size in (512, 1024)
    ),
    *('synthia2cityscapes_crops512', 'synthia2cityscapes_crops1024', 'gta2cityscapes_crops1024'),
]


@pytest.mark.stack
@pytest.mark.parametrize('name', CONFIGS)
def test_configs_train_on_crops_without_target_labels(name, acdc, others, monkeypatch):
    monkeypatch.setenv('MMSEG_DA_DATA', str(others))
    cfg = Config.fromfile(BASES / f'{name}.py')
    size = 1024 if '1024' in name else 512
    check_data(cfg)
    for folder in ('acdc/gt', 'dark_zurich/gt', 'cityscapes/gtFine'):
        kept = folder.endswith('gtFine') and name.startswith('cityscapes')
        if not kept:  # training must not miss them
            shutil.rmtree(others / folder)
    rare = dict(min_pixels=10, temperature=1.0)
    dataset = DATASETS.build(dict(cfg.train_dataloader.dataset, rare_classes=rare))
    item = dataset[0]
    for domain in ('source', 'target'):
        assert item[domain]['inputs'].shape == (3, size, size)
        assert cfg.data_preprocessor[domain]['size'] == (size, size)
    assert set(item['source']['data_samples'].gt_sem_seg.data.unique().tolist()) <= {0, 7}
    assert 'gt_sem_seg' not in item['target']['data_samples']
    assert len(dataset.target) == (8 if 'acdc' in name else 1)
    assert cfg.train_dataloader.batch_size == 2


@pytest.mark.parametrize(
    ('name', 'size'),
    [
        ('cityscapes2acdc_crops512', (540, 960)),
        ('cityscapes2darkzurich_crops1024', (1080, 1920)),
        ('synthia2cityscapes_crops512', (512, 1024)),
        ('gta2cityscapes_crops1024', (1024, 2048)),
    ],
)
def test_tests_are_scaled_and_scored_at_full_size(name, size, acdc, others, monkeypatch):
    monkeypatch.setenv('MMSEG_DA_DATA', str(others))
    cfg = Config.fromfile(BASES / f'{name}.py')
    sample = DATASETS.build(cfg.val_dataloader.dataset)[0]
    assert sample['inputs'].shape == (3, *size)
    label = sample['data_samples'].gt_sem_seg.data.shape[1:]
    assert tuple(label) == tuple(sample['data_samples'].ori_shape)
    scales = cfg.tta_pipeline[1].transforms[0]
    assert [each.scale for each in scales] == [size[::-1]]


def test_scores_of_acdc_are_told_by_condition(acdc):
    cfg = Config.fromfile(BASES / 'cityscapes2acdc_crops512.py')
    assert set(cfg.val_evaluator.domains) == set(CONDITIONS)
    for name in names(build(acdc, split='val')):
        parts = Path(name).parts
        assert sum(folder in parts for folder in cfg.val_evaluator.domains.values()) == 1
