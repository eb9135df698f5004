"""What of a config mmseg can do without us, and what it cannot."""

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset, CityscapesDataset
from PIL import Image

from mmseg_da.datasets import GTADataset
from mmseg_da.engine.plain_config import NoEquivalentError, plain_config, without_ours
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS, HOOKS
from mmseg_da.testing import toys

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]


def config(**settings) -> Config:
    model = toys.toy_adaptor(toys.toy_pspnet(), dict(seg=dict(type='SourceSupervision')))
    return Config(dict(model=model, test_pipeline=PIPELINE) | settings)


def evaluated_on(dataset: dict) -> dict:
    return dict(
        test_dataloader=dict(batch_size=1, dataset=dataset),
        test_evaluator=[dict(type='ClassIoUMetric', iou_metrics=['mIoU'])],
        test_cfg=dict(type='TestLoop'),
    )


@pytest.fixture
def folder(tmp_path):
    for name in ('images/1.png', 'labels/1_labelTrainIds.png'):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(np.zeros((2, 2, 3) if 'images' in name else (2, 2), np.uint8)).save(
            tmp_path / name
        )
    return tmp_path


def dataset(folder, **settings) -> dict:
    prefix = dict(img_path='images', seg_map_path='labels')
    return dict(data_root=str(folder), data_prefix=prefix, pipeline=[]) | settings


def test_the_model_is_the_segmentor_as_it_is_tested():
    cfg = config()
    cfg.model.data_preprocessor.test_cfg = dict(size_divisor=8)
    plain, notes = plain_config(cfg)
    own = plain['model'].pop('data_preprocessor')
    assert plain['model'] == toys.toy_pspnet()
    assert own == dict(
        type='SegDataPreProcessor',
        mean=[128.0, 112.0, 96.0],
        std=[64.0, 64.0, 32.0],
        bgr_to_rgb=True,
        test_cfg=dict(size_divisor=8),
    )
    assert notes == []


def test_the_segmentors_own_preprocessor_is_taken_over():
    cfg = config()
    del cfg.model['data_preprocessor']
    cfg.model.segmentor.data_preprocessor = dict(type='SegDataPreProcessor', mean=[1], std=[2])
    model = plain_config(cfg)[0]['model']
    assert model['data_preprocessor'] == dict(type='SegDataPreProcessor', mean=[1], std=[2])


@pytest.mark.parametrize('classes', [None, ('road', 'car')])
def test_gta_is_read_as_cityscapes_with_other_suffixes(folder, classes):
    ours = dataset(folder, type='GTADataset') | (
        dict(metainfo=dict(classes=classes)) if classes else {}
    )
    theirs = without_ours(ours)
    assert theirs['type'] == 'CityscapesDataset'
    before, after = DATASETS.build(ours), DATASETS.build(theirs)
    assert type(before) is GTADataset
    assert type(after) is CityscapesDataset
    assert [dict(item) for item in after] == [dict(item) for item in before]
    assert after.metainfo == before.metainfo


def test_classes_of_a_dataset_of_ours_are_spelt_out(folder, monkeypatch):
    class Two(CityscapesDataset):
        METAINFO = dict(classes=('a', 'b'), palette=[[0, 0, 0], [9, 9, 9]])

    Two.__module__ = 'mmseg_da.datasets.two'
    monkeypatch.setitem(DATASETS.module_dict, 'Two', Two)
    ours = dataset(folder, type='Two', img_suffix='.png')
    theirs = without_ours(ours)
    before, after = DATASETS.build(ours), DATASETS.build(theirs)
    assert type(after) is BaseSegDataset
    assert after.metainfo == before.metainfo
    assert [dict(item) for item in after] == [dict(item) for item in before]
    with pytest.raises(NoEquivalentError, match='Two with other classes'):
        without_ours(ours | dict(metainfo=dict(classes=('b',))))


def test_a_dataset_that_reads_in_its_own_way_is_left_out_and_said(folder, monkeypatch):
    class Odd(CityscapesDataset):
        def load_data_list(self):
            return []

    Odd.__module__ = 'mmseg_da.datasets.odd'
    monkeypatch.setitem(DATASETS.module_dict, 'Odd', Odd)
    plain, notes = plain_config(config(**evaluated_on(dataset(folder, type='Odd'))))
    assert not any(key.startswith('test_') for key in plain if key != 'test_pipeline')
    assert notes == ['left out test_dataloader, test_evaluator, test_cfg: mmseg does not know Odd']


def test_metrics_that_log_more_become_mmsegs(folder):
    plain, _ = plain_config(config(**evaluated_on(dataset(folder, type='CityscapesDataset'))))
    assert plain['test_evaluator'] == [dict(type='IoUMetric', iou_metrics=['mIoU'])]
    assert plain['test_dataloader']['dataset']['type'] == 'CityscapesDataset'


def test_hooks_of_ours_are_left_out_in_silence():
    assert 'SafeCheckpointHook' in HOOKS
    hooks = dict(timer=dict(type='IterTimerHook'), checkpoint=dict(type='SafeCheckpointHook'))
    plain, notes = plain_config(config(default_hooks=hooks))
    assert plain['default_hooks'] == dict(timer=dict(type='IterTimerHook'))
    assert notes == []  # they belong to training


def test_imports_of_the_user_are_kept():
    imports = dict(imports=['mmseg_da', 'theirs', 'mmseg_da.models'], allow_failed_imports=False)
    plain, _ = plain_config(config(custom_imports=imports))
    assert plain['custom_imports'] == dict(imports=['theirs'], allow_failed_imports=False)
    assert 'custom_imports' not in plain_config(config(custom_imports=dict(imports='mmseg_da')))[0]


def test_what_trains_is_left_out():
    training = dict(
        train_dataloader={}, optim_wrapper={}, train_cfg={}, runner_type='X', resume=True
    )
    plain, _ = plain_config(config(**training))
    assert set(plain) == {
        'default_scope',
        'model',
        'test_pipeline',
        'default_hooks',
        'load_from',
        'resume',
    }
    assert plain['resume'] is False


def test_the_pipeline_of_the_test_data_stands_in_for_a_missing_name(folder):
    pipeline = [dict(type='LoadImageFromFile', color_type='color')]
    cfg = config(**evaluated_on(dataset(folder, type='CityscapesDataset', pipeline=pipeline)))
    del cfg._cfg_dict['test_pipeline']
    assert plain_config(cfg)[0]['test_pipeline'] == pipeline


def test_a_transform_of_ours_in_the_test_pipeline_is_refused():
    with pytest.raises(UserError, match=r'test_pipeline has mmseg_da\.Blur'):
        plain_config(config(test_pipeline=[dict(type='mmseg_da.Blur')]))


@pytest.mark.parametrize(
    ('model', 'word'),
    [(toys.toy_pspnet(), 'EncoderDecoder'), (None, 'not given'), ([], 'not given')],
)
def test_a_config_without_adaptor_is_refused(model, word):
    with pytest.raises(UserError, match=rf'no adaptor \({word}\)'):
        plain_config(Config(dict(model=model)))
