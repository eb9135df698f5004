"""Settings of DAFormer that cannot be: one message, nothing written."""

import pytest
from tool_helpers import ROOT, SHORT

TOY = str(ROOT / 'configs/small/dacs_toy.py')
DISTANCE = "dict(type='FeatureDistance', {})"


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ('', "things has 'traffic light', but the classes of the training data are road, sidewalk"),
        ("things=['cat']", "things has 'cat', but the classes of the training data are road"),
        ("things='car'", "FeatureDistance: things is 'car', but has to be a list of class names"),
        ("things=['car'], min_share=1.5", 'FeatureDistance: min_share is 1.5, but has to be in'),
        ("things=['car'], level=9", 'FeatureDistance: level is 9, but the backbone has 4 outputs'),
        ("things=['car'], share=0.5", 'share'),
    ],
)
def test_a_wrong_setting_is_told(refused, tmp_path, options, said):
    objectives = f'dict(fd={DISTANCE.format(options)})'
    text = f"_base_ = '{TOY}'\nmodel = dict(objectives={objectives})\n"
    (tmp_path / 'own.py').write_text(text)
    assert said in refused('train.py', 'own.py', '--cfg-options', *SHORT)


def test_features_behind_a_neck_are_told(refused, tmp_path):
    neck = "dict(type='FPN', in_channels=[16, 32, 64, 128], out_channels=8, num_outs=4)"
    head = 'dict(in_channels=[8, 8, 8, 8])'
    objective = DISTANCE.format("things=['car']")
    text = (
        f"_base_ = '{TOY}'\nmodel = dict(\n    segmentor=dict(neck={neck}, decode_head={head}),\n"
        f'    objectives=dict(fd={objective}),\n)\n'
    )
    (tmp_path / 'own.py').write_text(text)
    said = refused('train.py', 'own.py', '--cfg-options', *SHORT)
    assert 'the segmentor has a neck' in said


def test_dilations_that_are_none_are_told(refused, tmp_path):
    head = (
        "dict(_delete_=True, type='DAFormerHead', dilations=3, in_channels=[16, 32, 64, 128], "
        "in_index=[0, 1, 2, 3], channels=8, num_classes=10, norm_cfg=dict(type='BN'))"
    )
    text = f"_base_ = '{TOY}'\nmodel = dict(segmentor=dict(decode_head={head}))\n"
    (tmp_path / 'own.py').write_text(text)
    said = refused('train.py', 'own.py', '--cfg-options', *SHORT)
    assert 'DAFormerHead: dilations is 3, but has to be a list of whole numbers above 0' in said
