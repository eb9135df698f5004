"""tools/adaptor2segmentor.py: a config and a checkpoint that predict the same without mmseg_da."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from mmseg.apis import inference_model, init_model
from PIL import Image
from tool_helpers import ROOT, SHORT, TOY, UPSTREAM, start

from mmseg_da.registry import MODELS
from mmseg_da.testing import toys

HERE = Path(__file__).parent
TOOL = 'adaptor2segmentor.py'
PREDICT = """
import sys
import numpy as np
from mmseg.apis import inference_model, init_model

for name in sys.argv[3:]:
    model = init_model(f'{name}/{name}.py', f'{name}/{name}.pth', device='cpu')
    assert model.dataset_meta['classes'] == ('a', 'b', 'c', 'd'), model.dataset_meta
    assert type(model).__name__ == 'EncoderDecoder'
    logits = inference_model(model, sys.argv[1]).seg_logits.data
    np.save(f'{sys.argv[2]}/{name}.npy', logits.numpy())
"""


def deeplabv2() -> dict:
    """A toy of the network that needs modules of ours."""
    toy = toys.toy_pspnet()
    shared = dict(type='ASPPV2Head', num_classes=4, align_corners=True)
    toy['backbone'] |= dict(type='CeilPoolResNet', style='caffe', contract_dilation=False)
    toy['decode_head'] = dict(in_channels=32, in_index=3, dilations=(1, 2), **shared)
    toy['auxiliary_head'] = dict(in_channels=16, in_index=2, dilations=(1, 2), **shared)
    return toy


NETWORKS = dict(pspnet=toys.toy_pspnet, segformer=toys.toy_segformer, deeplabv2=deeplabv2)
COPIES = dict(
    pspnet=[], segformer=[], deeplabv2=['deeplabv2_aspp_v2_head.py', 'deeplabv2_resnet.py']
)


def isolated(folder: Path, *args: object, **environ: str) -> None:
    """Run a script in a process that cannot import mmseg_da."""
    done = subprocess.run(
        [sys.executable, '-I', HERE / 'without_us.py', *map(str, args)],
        cwd=folder,
        env=os.environ | dict(OMP_NUM_THREADS='1') | environ,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def write_adaptor(folder: Path, name: str) -> None:
    """Write ``name.py`` and ``name.pth``: an adaptor whose weights and statistics are all random."""
    cfg = Config.fromfile(TOY)
    objectives = dict(seg=dict(type='SourceSupervision'), adv=toys.toy_alignment())
    cfg.model = toys.toy_adaptor(NETWORKS[name](), objectives)
    cfg.model.data_preprocessor.test_cfg = dict(size_divisor=32)
    cfg.dump(folder / f'{name}.py')
    model = MODELS.build(cfg.model)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.1, 0.3) if tensor.ndim == 1 else tensor.normal_(std=0.2)
    meta = dict(dataset_meta=dict(classes=('a', 'b', 'c', 'd'), palette=np.zeros((4, 3), int)))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), folder / f'{name}.pth')


@pytest.fixture(scope='module')
def left(tmp_path_factory) -> Path:
    """A folder with three adaptors, and below ``left`` what the tool makes of them."""
    folder = tmp_path_factory.mktemp('leaving')
    torch.manual_seed(0)
    init_default_scope('mmseg')
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    Image.fromarray(image).save(folder / 'image.png')
    for name in NETWORKS:
        write_adaptor(folder, name)
        args = [folder / f'{name}.py', folder / f'{name}.pth', folder / 'left' / name]
        assert start(ROOT / 'tools' / TOOL, *args) == 0
    return folder


@pytest.fixture(scope='module')
def predicted(left) -> Path:
    """The folder with the scores (4, 70, 90) that a process without us gives the image."""
    (left / 'predict.py').write_text(PREDICT)
    isolated(left / 'left', left / 'predict.py', left / 'image.png', left, *NETWORKS)
    return left


@pytest.mark.stack
@pytest.mark.parametrize('name', NETWORKS)
def test_predictions_are_the_same_without_us(predicted, name):
    ours = init_model(str(predicted / f'{name}.py'), str(predicted / f'{name}.pth'), device='cpu')
    expected = inference_model(ours, str(predicted / 'image.png')).seg_logits.data.numpy()
    theirs = np.load(predicted / f'{name}.npy')
    assert theirs.shape == (4, 70, 90)
    assert theirs.dtype == np.float32
    assert theirs.std() > 0.01
    assert np.array_equal(theirs, expected)


@pytest.mark.parametrize('name', NETWORKS)
def test_the_checkpoint_holds_the_segmentor_in_plain_types(left, name):
    saved = torch.load(left / f'left/{name}/{name}.pth', map_location='cpu', weights_only=True)
    whole = CheckpointLoader.load_checkpoint(str(left / f'{name}.pth'), 'cpu')['state_dict']
    inner = {k.removeprefix('segmentor.'): v for k, v in whole.items() if k[:10] == 'segmentor.'}
    assert any(key.startswith('objectives.') for key in whole)
    assert saved['state_dict'].keys() == inner.keys()
    assert all(torch.equal(saved['state_dict'][key], inner[key]) for key in inner)
    meta = dict(dataset_meta=dict(classes=('a', 'b', 'c', 'd'), palette=[[0, 0, 0]] * 4))
    assert saved == dict(meta=meta, state_dict=saved['state_dict'])


@pytest.mark.parametrize('name', NETWORKS)
def test_the_config_names_nothing_of_ours(left, name):
    folder = left / 'left' / name
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert files == {f'{name}.pth', f'{name}.py', *COPIES[name]}
    text = (folder / f'{name}.py').read_text()
    assert 'mmseg_da' not in text
    for word in ('Domain', 'ClassIoU', 'objectives', 'optim_wrapper', 'train_dataloader'):
        assert word not in text
    for copy in COPIES[name]:
        imports = [line for line in (folder / copy).read_text().splitlines() if 'import' in line]
        assert imports
        assert not any('mmseg_da' in line for line in imports)


@pytest.mark.stack
def test_mmsegs_own_script_scores_it_as_ours_did(run_tool, trained, toy_data, tmp_path):
    checkpoint = trained / 'iter_2.pth'
    assert run_tool(TOOL, TOY, checkpoint, 'toy').code == 0
    assert run_tool('test.py', TOY, checkpoint, '--tta', '--cfg-options', *SHORT).code == 0
    options = ['--cfg-options', *(each for each in SHORT if each.startswith(('test_', 'val_')))]
    args = ['toy/toy.py', 'toy/toy.pth', '--work-dir', 'plain', '--tta', *options]
    isolated(tmp_path, UPSTREAM / 'test.py', *args)
    (ours,) = (tmp_path / 'work_dirs').rglob('2*.json')
    (theirs,) = (tmp_path / 'plain').rglob('2*.json')
    ours, theirs = json.loads(ours.read_text()), json.loads(theirs.read_text())
    for key in ('aAcc', 'mIoU', 'mAcc'):
        assert theirs[key] == ours[key]


def test_weights_of_the_segmentor_alone_give_the_same(run_tool, left, tmp_path):
    plain = torch.load(left / 'left/pspnet/pspnet.pth', weights_only=True)
    del plain['meta']['dataset_meta']
    torch.save(plain, tmp_path / 'plain.pth')
    assert run_tool(TOOL, left / 'pspnet.py', 'plain.pth', 'again').code == 0
    again = torch.load(tmp_path / 'again/again.pth', weights_only=True)
    assert all(torch.equal(again['state_dict'][k], v) for k, v in plain['state_dict'].items())
    # The checkpoint does not say the classes, so they are those of the test data.
    assert again['meta']['dataset_meta']['classes'][:2] == ('road', 'sidewalk')


def test_what_is_written_is_said(run_tool, left):
    args = [left / 'deeplabv2.py', left / 'deeplabv2.pth', 'new/folder']
    said = [line for line in run_tool(TOOL, *args).out.splitlines() if 'mmengine' not in line]
    assert said[:2] == ['wrote new/folder/folder.py', 'wrote new/folder/folder.pth']
    assert 'folder_aspp_v2_head.py' in said[-1]
    assert 'keep them beside folder.py' in said[-1]


def test_a_folder_in_use_is_replaced_by_force_alone(run_tool, left, tmp_path):
    (tmp_path / 'mine').mkdir()
    args = [left / 'segformer.py', left / 'segformer.pth', 'mine']
    assert run_tool(TOOL, *args).code == 0  # empty
    (tmp_path / 'mine/notes.txt').write_text('keep')
    (tmp_path / 'mine/mine.pth').write_text('old')
    assert 'mine is there and not empty' in run_tool(TOOL, *args).mistake
    assert (tmp_path / 'mine/mine.pth').read_text() == 'old'
    assert run_tool(TOOL, *args, '--force').code == 0
    assert torch.load(tmp_path / 'mine/mine.pth', weights_only=True)['state_dict']
    assert sorted(p.name for p in (tmp_path / 'mine').iterdir()) == [
        'mine.pth',
        'mine.py',
        'notes.txt',
    ]


def test_it_loads_where_we_are_as_well(left, monkeypatch):
    """The copies take the place of our classes, which are the same."""
    for kind in ('ASPPV2Head', 'CeilPoolResNet'):
        monkeypatch.setitem(MODELS.module_dict, kind, MODELS.get(kind))
    folder = shutil.copytree(left / 'left/deeplabv2', left / 'moved')
    model = init_model(str(folder / 'deeplabv2.py'), str(folder / 'deeplabv2.pth'), device='cpu')
    assert type(model.backbone).__module__ == 'deeplabv2_resnet'
