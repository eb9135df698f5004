"""tools/make_pseudo_labels.py: what a training's stage does, by flags."""

import json

import numpy as np
import pytest
from PIL import Image
from tool_helpers import ROOT, TOY, contents

TOOL = 'make_pseudo_labels.py'
ROUND = str(ROOT / 'configs/small/cbst_toy.py')


@pytest.fixture
def checkpoint(trained):
    return str(trained / 'iter_2.pth')


def labels(folder):
    return {path.name: np.asarray(Image.open(path)) for path in (folder / 'labels').rglob('*.png')}


def test_it_labels_the_targets_training_images(run_tool, checkpoint, tmp_path, toy_data):
    result = run_tool(TOOL, TOY, checkpoint, 'out')
    assert result.code == 0
    assert f'6 pseudo labels are in {"out"}/labels' in result.out
    found = labels(tmp_path / 'out')
    images = toy_data / 'toy/cityscapes/leftImg8bit/train/toyburg'
    assert set(found) == {path.name for path in images.iterdir()}
    settings = json.loads((tmp_path / 'out/settings.json').read_text())
    assert settings['rule'] == dict(type='class_share', keep=0.34, sure=0.9)
    kept = np.mean([(each != 255).mean() for each in found.values()])
    assert 0.3 < kept < 0.4
    before = contents(tmp_path)
    assert run_tool(TOOL, TOY, checkpoint, 'out').code == 0
    assert contents(tmp_path) == before


def test_rules_and_several_networks(run_tool, checkpoint, tmp_path):
    assert run_tool(TOOL, TOY, checkpoint, checkpoint, 'two').code == 0
    assert run_tool(TOOL, TOY, checkpoint, 'one').code == 0
    for name, each in labels(tmp_path / 'one').items():
        assert (labels(tmp_path / 'two')[name] == each).all()
    assert run_tool(TOOL, TOY, checkpoint, 'all', '--keep', 1).code == 0
    assert all((each != 255).all() for each in labels(tmp_path / 'all').values())
    assert run_tool(TOOL, TOY, checkpoint, 'none', '--rule', 'confidence', '--least', 1).code == 0
    assert all((each == 255).all() for each in labels(tmp_path / 'none').values())
    flags = ['--rule', 'class_balanced', '--configs', TOY, '--average', 'softmax']
    assert run_tool(TOOL, TOY, checkpoint, 'balanced', *flags).code == 0


def test_labels_of_the_original_size_are_trained_on(run_tool, checkpoint, tmp_path):
    own = tmp_path / 'smaller.py'
    own.write_text(
        f'_base_ = {TOY!r}\n'
        "pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(96, 48)),\n"
        "    dict(type='LoadAnnotations'), dict(type='PackSegInputs')]\n"
        'test_dataloader = dict(dataset=dict(pipeline=pipeline))\n'
    )
    assert run_tool(TOOL, own, checkpoint, 'small').code == 0
    assert {each.shape for each in labels(tmp_path / 'small').values()} == {(48, 96)}
    assert run_tool(TOOL, own, checkpoint, 'full', '--size', 'original').code == 0
    assert {each.shape for each in labels(tmp_path / 'full').values()} == {(96, 192)}
    train = [
        '--work-dir', 'run', '--cfg-options', 'rounds.number=2', 'rounds.labels.rule.keep=0.2',
        f'stages.round0.checkpoint={checkpoint}', 'rounds.later.load_from=None',
        'rounds.later.train_cfg.max_iters=2', 'rounds.later.train_cfg.val_interval=2',
        'train_dataloader.batch_size=2', 'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False', 'default_hooks.adaptation_view.interval=0',
    ]  # fmt: skip
    good = run_tool('train.py', ROUND, *train, 'stages.labels1.labels=full/labels')
    assert good.code == 0
    said = run_tool('train.py', ROUND, *train, 'stages.labels1.labels=small/labels').mistake
    assert 'the pseudo label is 48 x 96 (height x width), but here the image is 96 x 192' in said


@pytest.mark.parametrize(
    ('flags', 'words'),
    [
        (['--keep', 0], 'flags.rule: keep is 0.0, but has to be a number above 0 and up to 1'),
        (['--sure', 2], 'flags.rule: sure is 2.0'),
        (['--rule', 'confidence', '--keep', 0.3], '--keep: --rule confidence does not know it; it takes'),
        (['--rule', 'class_balanced', '--sure', 0.3], '--sure: --rule class_balanced does not'),
        (['--configs', TOY, TOY], '--configs names 2 configs for 1 checkpoints'),
        (['--cfg-options', 'train_dataloader.dataset.target.data_root=no'], 'no such folder'),
        (['--cfg-options', 'train_dataloader.dataset.target.img_suffix=.gif'], "no image that ends in '.gif'"),
        (['--cfg-options', 'model.segmentor.decode_head.num_classes=3'], 'iter_2.pth'),
    ],
)  # fmt: skip
def test_what_cannot_work_is_told(refused, checkpoint, flags, words):
    assert words in refused(TOOL, TOY, checkpoint, 'out', *flags)


def test_a_missing_checkpoint_or_config_is_told(refused, checkpoint, tmp_path):
    assert 'no.pth: no such checkpoint file' in refused(TOOL, TOY, 'no.pth', 'out')
    assert 'no.py: no such config file' in refused(TOOL, 'no.py', checkpoint, 'out')
    (tmp_path / 'file').touch()
    assert 'cannot write to' in refused(TOOL, TOY, checkpoint, 'file')


def test_labels_of_other_flags_are_kept(run_tool, checkpoint, tmp_path):
    assert run_tool(TOOL, TOY, checkpoint, 'out').code == 0
    before = contents(tmp_path)
    said = run_tool(TOOL, TOY, checkpoint, 'out', '--keep', 0.5).mistake
    assert 'out: holds pseudo labels of other settings (rule differ)' in said
    assert contents(tmp_path) == before
