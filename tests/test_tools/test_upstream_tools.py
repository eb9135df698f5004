"""mmsegmentation's own scripts and functions take our configs and checkpoints as they are."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.runner import CheckpointLoader
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.registry import OPTIM_WRAPPERS
from tool_helpers import SHORT, TOY, UPSTREAM

from mmseg_da.engine import PartwiseOptimWrapperConstructor
from mmseg_da.registry import MODELS

pytestmark = pytest.mark.stack


@pytest.fixture(scope='module')
def upstream(toy_data, tmp_path_factory):
    """Run a script of mmseg in a process of its own; gives the process and its folder."""
    folder = tmp_path_factory.mktemp('upstream')

    def run(script, *args):
        return subprocess.run(
            [sys.executable, UPSTREAM / script, *map(str, args), '--cfg-options', *SHORT],
            cwd=folder,
            env=os.environ | dict(MMSEG_DA_DATA=str(toy_data), OMP_NUM_THREADS='1'),
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run, folder


@pytest.fixture(scope='module')
def trained_upstream(upstream):
    run, folder = upstream
    done = run('train.py', TOY)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / 'work_dirs/adaptsegnet_toy'


def test_their_train_script_trains_both_parts(trained_upstream):
    last = CheckpointLoader.load_checkpoint(trained_upstream / 'iter_2.pth', map_location='cpu')
    assert set(last['optimizer']) == {'segmentor', 'discriminators'}
    (rows,) = trained_upstream.glob('*/vis_data/scalars.json')
    rows = [json.loads(row) for row in rows.read_text().splitlines()]
    assert {'segmentor.loss', 'discriminators.loss'} <= set(rows[0])
    assert 'mIoU' in rows[-1]


def test_their_train_script_does_what_ours_does(trained_upstream, trained):
    losses = []
    for folder in (trained_upstream, trained):
        (path,) = folder.glob('*/vis_data/scalars.json')
        rows = [json.loads(row) for row in path.read_text().splitlines()]
        assert [row['step'] for row in rows] == [1, 2, 2]
        losses.append([row[key] for row in rows[:2] for key in sorted(row) if 'loss' in key])
    assert len(losses[0]) == 12
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_their_test_script_scores_as_validation_did(upstream, trained_upstream):
    run, folder = upstream
    done = run('test.py', TOY, trained_upstream / 'iter_2.pth', '--work-dir', 'tested', '--tta')
    assert done.returncode == 0, done.stderr[-3000:]
    (path,) = (folder / 'tested').glob('*/*.json')
    assert 0 <= json.loads(path.read_text())['mIoU'] <= 100


@pytest.fixture
def model(trained):
    cfg = Config.fromfile(TOY)
    return init_model(cfg, str(trained / 'iter_2.pth'), device='cpu')


def test_init_model_loads_the_weights_and_the_classes(model, trained):
    saved = CheckpointLoader.load_checkpoint(trained / 'iter_2.pth', map_location='cpu')
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, saved['state_dict'][name])
    assert list(model.dataset_meta['classes'])[:2] == ['road', 'sidewalk']
    assert len(model.dataset_meta['classes']) == 10
    assert not model.training


def test_inference_model_predicts_as_the_segmentor(model, toy_data):
    images = sorted((toy_data / 'toy/cityscapes/leftImg8bit/val').rglob('*.png'))
    results = inference_model(model, [str(path) for path in images])
    assert [result.pred_sem_seg.data.shape for result in results] == [(1, 96, 192)] * 2
    for result in results:
        labels = result.seg_logits.data.argmax(dim=0)
        assert torch.equal(result.pred_sem_seg.data[0], labels)
        assert result.seg_logits.data.shape == (10, 96, 192)


def test_the_inferencer_predicts_and_paints(model, trained, toy_data, tmp_path):
    image = str(next((toy_data / 'toy/cityscapes/leftImg8bit/val').rglob('*.png')))
    inferencer = MMSegInferencer(TOY, str(trained / 'iter_2.pth'), device='cpu')
    result = inferencer(image, out_dir=str(tmp_path), show=False)
    expected = inference_model(model, image).pred_sem_seg.data[0].numpy()
    assert np.array_equal(result['predictions'], expected)
    assert len(list((tmp_path / 'vis').iterdir())) == 1


@OPTIM_WRAPPERS.register_module(force=True)
class HalfPrecisionStandIn(OptimWrapper):
    """In the place of AmpOptimWrapper, which cannot be built without a GPU."""

    def __init__(self, loss_scale=None, **kwargs):
        super().__init__(**kwargs)
        self.loss_scale = loss_scale


def test_their_amp_switch_reaches_every_part():
    cfg = Config.fromfile(TOY)
    assert cfg.optim_wrapper.type == 'OptimWrapper'  # what their script asks for
    cfg.optim_wrapper.type = 'HalfPrecisionStandIn'
    cfg.optim_wrapper.loss_scale = 'dynamic'
    settings = cfg.optim_wrapper.to_dict()
    settings.pop('constructor')
    built = PartwiseOptimWrapperConstructor(settings)(MODELS.build(cfg.model))
    assert {name: type(part) for name, part in built.items()} == dict(
        segmentor=HalfPrecisionStandIn, discriminators=HalfPrecisionStandIn
    )
    assert [part.loss_scale for part in built.values()] == ['dynamic', 'dynamic']
