"""Stages thaw in two processes as in one that sees the images of both."""

import os
import subprocess
import sys

import pytest
import torch
from checkpoint_helpers import load
from dist_helpers import ROOT, finish, free_port
from finetune_helpers import SOURCE_CLASSES, plain_config, trained

from mmseg_da.testing import toy_pspnet

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
HOOK = dict(type='UnfreezeHook', stages={0: 3, 2: 1, 4: -1})


def config(data, work_dir, batch_size: int, **settings):
    """Without what counts in each process's own images alone: batch norm, labelled pixels."""
    cfg = plain_config(data, work_dir, SOURCE_CLASSES, 6, custom_hooks=[HOOK], **settings)
    model = toy_pspnet('GN')
    for head in ('decode_head', 'auxiliary_head'):
        model[head]['num_classes'] = len(SOURCE_CLASSES)
        model[head]['loss_decode']['avg_non_ignore'] = False
    cfg.model = model | dict(data_preprocessor=cfg.model.data_preprocessor)
    cfg.train_dataloader.batch_size = batch_size
    return cfg


def start_two(cfg, work_dir) -> subprocess.Popen:
    work_dir.mkdir()
    (work_dir / 'own.py').write_text(cfg.pretty_text)
    own = dict(OMP_NUM_THREADS='1', PYTHONWARNINGS='ignore', PORT=str(free_port()))
    return subprocess.Popen(
        [str(ROOT / 'tools/dist_train.sh'), 'own.py', '2'],
        cwd=work_dir, env=os.environ | own | dict(PYTHON=sys.executable),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_two_processes_thaw_as_one(toy_data, tmp_path):
    trained(config(toy_data, tmp_path / 'one', 2))
    wrapper = dict(type='MMDistributedDataParallel', find_unused_parameters=True)
    two = config(toy_data, tmp_path / 'two', 1, model_wrapper_cfg=wrapper)
    process = start_two(two, tmp_path / 'two')
    out = finish(process)
    assert process.returncode == 0, out
    assert 'from iteration 4 on frozen_stages is -1' in out
    for at in (2, 4, 6):
        joint = load(tmp_path / f'one/iter_{at}.pth')['state_dict']
        apart = load(tmp_path / f'two/iter_{at}.pth')['state_dict']
        for key, value in joint.items():
            torch.testing.assert_close(apart[key], value, rtol=1e-5, atol=1e-7, msg=f'{at}: {key}')


def test_a_wrapper_that_cannot_follow_is_told(toy_data, tmp_path):
    process = start_two(config(toy_data, tmp_path / 'two', 1), tmp_path / 'two')
    out = finish(process)
    assert process.returncode != 0
    assert 'set model_wrapper_cfg.find_unused_parameters=True' in out
    assert 'Traceback' not in out
