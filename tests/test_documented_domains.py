"""The configs of several sources, few labels and merged classes that the pages show are read."""

import re
from pathlib import Path

import pytest
from config_data import classes_of
from mmseg.datasets import CityscapesDataset

from mmseg_da.datasets.merging import merge
from mmseg_da.engine.launch import load_config

ROOT = Path(__file__).resolve().parents[1]


def documented(page, word, folder, head=''):
    """The config of a page that holds a word, as a file beside the configs."""
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'docs' / page).read_text(), re.DOTALL)
    (text,) = [block for block in blocks if word in block]
    file = folder / 'mine.py'
    file.write_text(head + text.replace("'./", f"'{ROOT}/configs/"))
    return load_config(str(file), None, str(folder))


def test_labelled_images_by_a_list(tmp_path):
    cfg = documented('methods/few_labels.md', 'my_five.txt', tmp_path)
    labelled = cfg.train_dataloader.dataset.labelled
    assert labelled.type == 'CityscapesDataset'
    assert labelled.ann_file == 'my_five.txt'
    assert 'num' not in labelled


def test_a_branch_of_labelled_images(tmp_path):
    target = "_base_ = './_base_/datasets/gta2cityscapes.py'\nlabelled_target = _base_.val_target\n"
    head = target.replace("'./", f"'{ROOT}/configs/")
    cfg = documented('methods/few_labels.md', 'num=5, seed=0', tmp_path, head)
    assert cfg.train_dataloader.dataset.labelled.num == 5


def test_merged_classes(tmp_path):
    head = f"_base_ = '{ROOT}/configs/adaptsegnet_gta2cs.py'\n"
    cfg = documented('data.md', "type='MergedClasses'", tmp_path, head)
    names = CityscapesDataset.METAINFO['classes']
    merging = merge(names, cfg.groups, 'keep', 'docs')
    assert len(merging.groups) == 13
    dataset = cfg.train_dataloader.dataset
    for part in (dataset.source, dataset.target, cfg.val_dataloader.dataset):
        assert part.type == 'MergedClasses'
        assert part.groups == cfg.groups
        assert classes_of(part) == 3


def test_merged_scores(tmp_path):
    head = f"_base_ = '{ROOT}/configs/adaptsegnet_gta2cs.py'\n"
    cfg = documented('data.md', "'ClassIoUMetric', merged", tmp_path, head)
    merge(CityscapesDataset.METAINFO['classes'], cfg.val_evaluator.merged, 'keep', 'docs')


def test_several_sources(tmp_path):
    head = 'gta = dict(); synthia = dict(); mine = dict(); cityscapes = dict()\n'
    cfg = documented('methods/multi_source.md', 'source_weights=[2, 1, 1]', tmp_path, head)
    dataset = cfg.train_dataloader.dataset
    assert len(dataset.source) == len(dataset.class_mapping) == len(dataset.source_weights)


@pytest.mark.parametrize('num', [5, 50, 100])
def test_the_control_has_the_images_of_its_pair(num):
    few, control = (
        load_config(str(ROOT / f'configs/{name}{num}_gta2cs.py'), None, None)
        for name in ('fewlabel', 'targetonly')
    )
    assert few.train_dataloader.dataset.labelled == control.train_dataloader.dataset.source
    assert few.train_dataloader.dataset.labelled.num == num
    assert few.train_cfg.max_iters == control.train_cfg.max_iters
    assert few.model.segmentor == control.model.segmentor
    assert control.train_dataloader.dataset.labelled is None
