"""tools/test.py: predictions, pictures and scores of a checkpoint, and its mistakes."""

import json
import re

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader
from PIL import Image
from tool_helpers import SHORT, TOY

OPTIONS = ['--cfg-options', *SHORT]


@pytest.fixture
def checkpoint(trained):
    return trained / 'iter_2.pth'


def score(folder):
    (path,) = folder.glob('*/*.json')
    return json.loads(path.read_text())


@pytest.mark.stack
def test_scores_equal_those_of_training(run_tool, trained, checkpoint, tmp_path):
    assert run_tool('test.py', TOY, checkpoint, *OPTIONS).code == 0
    tested = score(tmp_path / 'work_dirs/adaptsegnet_toy')
    (rows,) = trained.glob('*/vis_data/scalars.json')
    validated = json.loads(rows.read_text().splitlines()[-1])
    for name in ('aAcc', 'mIoU', 'mAcc'):
        assert tested[name] == validated[name]


def test_hooks_that_a_config_leaves_out_are_left_out(run_tool, checkpoint, tmp_path):
    left_out = [f'default_hooks.{name}=None' for name in ('adaptation_view', 'divergence', 'timer')]
    assert run_tool('test.py', TOY, checkpoint, *OPTIONS, *left_out).code == 0
    assert 'mIoU' in score(tmp_path / 'work_dirs/adaptsegnet_toy')


def test_settings_of_hooks_that_only_train_do_not_matter(run_tool, checkpoint, tmp_path):
    given = ['default_hooks.divergence.patience=3', 'default_hooks.pseudo_labels.interval=2']
    assert run_tool('test.py', TOY, checkpoint, *OPTIONS, *given).code == 0
    assert 'mIoU' in score(tmp_path / 'work_dirs/adaptsegnet_toy')


def test_out_writes_one_prediction_per_image(run_tool, checkpoint, tmp_path):
    args = ['--out', tmp_path / 'out', '--work-dir', tmp_path / 'work']
    assert run_tool('test.py', TOY, checkpoint, *args, *OPTIONS).code == 0
    files = sorted((tmp_path / 'out').iterdir())
    assert [path.name for path in files] == [
        f'toyville_00000{n}_000019_leftImg8bit.png' for n in range(2)
    ]
    for path in files:
        with Image.open(path) as image:
            ids = np.asarray(image)
        assert ids.shape == (96, 192)
        assert ids.max() < 19
    assert 'mIoU' in score(tmp_path / 'work')


@pytest.fixture
def two_sets(tmp_path):
    """A config that tests on several data sets, as cities, with images of the same names."""
    (tmp_path / 'two.py').write_text(
        f"_base_ = '{TOY}'\n"
        'both = [_base_.val_target, _base_.val_target]\n'
        'test_dataloader = dict(\n'
        "    dataset=dict(_delete_=True, type='ConcatDataset', datasets=both)\n"
        ')\n'
    )
    return 'two.py'


def test_predictions_that_would_replace_each_other_are_told(refused, two_sets, checkpoint):
    said = refused('test.py', two_sets, checkpoint, '--out', 'out', *OPTIONS)
    assert said.startswith('error: test_evaluator.output_dir (--out): the predictions of ')
    assert 'would both be toyville_000000_000019_leftImg8bit.png' in said


def test_show_dir_paints_every_image(run_tool, checkpoint, tmp_path):
    more = ['default_hooks.visualization.interval=1']
    args = ['--show-dir', 'painted', *OPTIONS, *more]
    assert run_tool('test.py', TOY, checkpoint, *args).code == 0
    painted = [path for path in tmp_path.rglob('*.png') if 'painted' in path.parts]
    assert len(painted) == 2


def test_tta_changes_predictions_alone(run_tool, two_sets, checkpoint, tmp_path):
    args = ['--tta', '--out', tmp_path / 'tta', *OPTIONS]
    assert run_tool('test.py', TOY, checkpoint, *args).code == 0
    assert len(list((tmp_path / 'tta').iterdir())) == 2
    once = score(tmp_path / 'work_dirs/adaptsegnet_toy')
    assert run_tool('test.py', two_sets, checkpoint, '--tta', *OPTIONS).code == 0
    twice = score(tmp_path / 'work_dirs/two')
    assert twice['mIoU'] == once['mIoU']


def test_tta_without_its_settings_is_told(run_tool, checkpoint, tmp_path):
    (tmp_path / 'plain.py').write_text("model = dict(type='EncoderDecoder')")
    said = run_tool('test.py', 'plain.py', checkpoint, '--tta').mistake
    assert said == 'error: plain.py: --tta needs `tta_pipeline`'


def test_show_dir_without_a_hook_is_told(run_tool, checkpoint):
    args = ['--show-dir', 'x', '--cfg-options', 'default_hooks.visualization=None']
    assert 'SegVisualizationHook' in run_tool('test.py', TOY, checkpoint, *args).mistake


def test_show_dir_without_a_visualizer_is_told(refused, checkpoint):
    args = ['--show-dir', 'x', '--cfg-options', 'visualizer=None']
    assert "visualizer=dict(type='SegLocalVisualizer'" in refused('test.py', TOY, checkpoint, *args)


def test_a_config_without_hooks_is_told(run_tool, checkpoint, tmp_path):
    (tmp_path / 'plain.py').write_text("model = dict(type='EncoderDecoder')")
    args = ['plain.py', checkpoint, '--show-dir', 'x']
    assert 'SegVisualizationHook' in run_tool('test.py', *args).mistake


def test_a_config_without_evaluator_is_told(run_tool, checkpoint, tmp_path):
    (tmp_path / 'plain.py').write_text("model = dict(type='EncoderDecoder')")
    args = ['plain.py', checkpoint, '--out', 'x']
    assert 'test_evaluator' in run_tool('test.py', *args).mistake


def test_missing_files_are_told(run_tool, checkpoint):
    missing = run_tool('test.py', TOY, 'nowhere.pth')
    assert missing.mistake == 'error: nowhere.pth: no such checkpoint file'
    missing = run_tool('test.py', 'nowhere.py', checkpoint)
    assert missing.mistake == 'error: nowhere.py: no such config file'


def test_missing_data_is_told(run_tool, checkpoint, monkeypatch):
    monkeypatch.setenv('MMSEG_DA_DATA', 'elsewhere')
    said = run_tool('test.py', TOY, checkpoint, *OPTIONS).mistake
    assert re.search(r'elsewhere/toy/\S+: no such folder\. Run `make toy`', said)


def test_testing_needs_no_training_data(run_tool, checkpoint, toy_data, tmp_path, monkeypatch):
    (tmp_path / 'toy/cityscapes/leftImg8bit').mkdir(parents=True)
    (tmp_path / 'toy/cityscapes/gtFine').mkdir()
    for name in ('leftImg8bit/val', 'gtFine/val'):
        (tmp_path / 'toy/cityscapes' / name).symlink_to(toy_data / 'toy/cityscapes' / name)
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path))
    assert run_tool('test.py', TOY, checkpoint, *OPTIONS).code == 0


@pytest.mark.parametrize('content', [b'', b'no checkpoint', b'PK\x03\x04cut'])
def test_a_damaged_checkpoint_is_told(run_tool, tmp_path, content):
    (tmp_path / 'bad.pth').write_bytes(content)
    assert 'bad.pth is not a checkpoint' in run_tool('test.py', TOY, 'bad.pth', *OPTIONS).mistake


@pytest.mark.parametrize('flag', ['--work-dir', '--out', '--show-dir'])
def test_a_folder_that_cannot_be_written_to_is_told(run_tool, checkpoint, tmp_path, flag):
    (tmp_path / 'file').touch()
    said = run_tool('test.py', TOY, checkpoint, flag, 'file/x', *OPTIONS).mistake
    assert f'error: {flag}: cannot write to {tmp_path}/file/x' in said


@pytest.mark.parametrize('tta', [[], ['--tta']])
def test_another_number_of_classes_is_told(run_tool, checkpoint, tta):
    options = [*OPTIONS, 'model.segmentor.decode_head.num_classes=19']
    said = run_tool('test.py', TOY, checkpoint, *tta, *options).mistake
    assert 'num_classes is 19' in said
    assert 'has 10 classes' in said


def test_an_unknown_type_in_the_test_data_is_told(run_tool, checkpoint):
    wrong = 'test_dataloader.dataset.pipeline.0.type=LoadNothing'
    assert 'LoadNothing' in run_tool('test.py', TOY, checkpoint, *OPTIONS, wrong).mistake


@pytest.mark.stack
def test_a_checkpoint_of_the_segmentor_alone_is_enough(run_tool, checkpoint, tmp_path):
    full = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    plain = {
        name.removeprefix('segmentor.'): value
        for name, value in full['state_dict'].items()
        if name.startswith('segmentor.')
    }
    torch.save(dict(state_dict=plain), tmp_path / 'plain.pth')
    scores = []
    for path in (checkpoint, 'plain.pth'):
        work_dir = tmp_path / str(len(scores))
        assert run_tool('test.py', TOY, path, '--work-dir', work_dir, *OPTIONS).code == 0
        scores.append(score(work_dir)['mIoU'])
    assert scores[0] == scores[1]
