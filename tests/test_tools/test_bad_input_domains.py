"""Mistakes with several sources, labelled target images and merged classes: told, nothing written."""

import pytest
from tool_helpers import ROOT, SHORT, TOY

DATA = 'train_dataloader.dataset'
SEG = 'model.objectives.seg'
SMALL = ROOT / 'configs/small'

CASES = {
    ('source_only', f'{DATA}.source_weights=[1,2]'): ['source_weights is [1, 2]', '1 numbers'],
    ('source_only', f'{DATA}.source_weights=often'): ["source_weights is 'often'"],
    ('source_only', f'{DATA}.class_mapping=[None,None]'): ['class_mapping is', 'a list of 1'],
    ('source_only', f'{SEG}.source_weights=[-1]'): ['SourceSupervision: source_weights is [-1]'],
    ('source_only', f'{SEG}.source_weights=[]'): ['SourceSupervision: source_weights is []'],
    ('source_only', 'model.translator.type=PerSourceTranslator model.translator.translators=[]'): [
        'PerSourceTranslator: translators has to be a list'
    ],
    ('fewlabel', f'{DATA}.labelled.num=7'): ['FewImages: num is 7', 'only 6 images'],
    ('fewlabel', f'{DATA}.labelled.num=0'): ['FewImages: num is 0', '1 or more'],
    ('fewlabel', f'{DATA}.labelled.seed=-1'): ['FewImages: seed is -1'],
    ('fewlabel', f'{DATA}.labelled.number=3'): ["unexpected keyword argument 'number'"],
    ('fewlabel', f'{DATA}.labelled=None'): [
        'labelled target images, but the training batch has no'
    ],
    ('fewlabel', f'{DATA}.labelled.dataset.ann_file=five.txt'): [
        'five.txt: no such list of images'
    ],
    ('fewlabel', f'{DATA}.labelled.dataset.data_prefix.seg_map_path=gt'): [
        'cityscapes/gt: no such'
    ],
    ('fewlabel', f"{DATA}.labelled.dataset.metainfo.classes=('road','car')"): [
        'target datasets differ in their classes'
    ],
    ('merged', f'{DATA}.source.groups.mobile=[person,lorry]'): [
        "MergedClasses: group 'mobile' names 'lorry', which is no class"
    ],
    ('merged', f'{DATA}.target.groups.ground=[road,car]'): ["'car' is in group 'ground' and again"],
    ('merged', f'{DATA}.target.others=some'): ["MergedClasses: others='some'"],
    ('merged', f'{DATA}.target.groups.mobile=[person]'): ['classes of the two domains differ'],
    ('merged', 'model.segmentor.decode_head.num_classes=10'): [
        'num_classes is 10',
        'has 4 classes',
    ],
    ('adaptsegnet', "val_evaluator.merged.vehicle=['lorry']"): [
        "ClassIoUMetric.merged: group 'vehicle' names 'lorry'"
    ],
    ('adaptsegnet', 'val_evaluator.merged=car'): ["ClassIoUMetric.merged: 'car' is no dict"],
}


@pytest.mark.parametrize(('name', 'options'), CASES)
def test_a_mistake_is_told(refused, name, options):
    config = SMALL / f'{name}_toy.py'
    said = refused('train.py', config, '--cfg-options', *SHORT, *options.split())
    assert all(word in said for word in CASES[name, options]), said


def test_a_missing_file_of_a_list_is_told(refused, toy_data, tmp_path):
    names = [
        str(path.relative_to(toy_data / 'toy/cityscapes/leftImg8bit/train'))
        for path in sorted((toy_data / 'toy/cityscapes/leftImg8bit/train').rglob('*.png'))
    ]
    names = [names[0].removesuffix('_leftImg8bit.png'), 'nowhere/000']
    (tmp_path / 'mine.txt').write_text('\n'.join(names))
    option = f'{DATA}.labelled.dataset.ann_file={tmp_path}/mine.txt'
    config = SMALL / 'fewlabel_toy.py'
    said = refused('train.py', config, '--cfg-options', *SHORT, option, f'{DATA}.labelled.num=2')
    assert 'nowhere/000_leftImg8bit.png: no such image, which' in said
    assert 'mine.txt names' in said


def test_labelled_images_of_a_config_without_any_are_told(refused):
    said = refused('browse_dataset.py', TOY, '--domain', 'labelled', '--output-dir', 'pictures')
    assert 'has no labelled target images' in said
