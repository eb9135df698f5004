"""Trainings in mixed precision through the runner: scalers are part of what a resume restores."""

import functools
import shutil

import pytest
import torch
from checkpoint_helpers import differing, load
from mmengine.hooks import Hook
from mmengine.optim.optimizer import amp_optimizer_wrapper as upstream

from mmseg_da.engine import CpuAmpOptimWrapper
from mmseg_da.engine.launch import build_runner, enable_amp
from mmseg_da.engine.optimizers import cpu_amp
from mmseg_da.testing import toy_pspnet

PARTS = ('segmentor', 'discriminators')
OPTIONS = {
    'train_cfg.val_interval': 100,
    'train_cfg.max_iters': 6,
    'default_hooks.checkpoint.interval': 4,
    'default_hooks.logger.interval': 1,
}


@pytest.fixture
def emulated(monkeypatch):
    """mmengine's own ``AmpOptimWrapper`` with torch's scaler for the CPU, as if on a GPU."""
    on_cpu = functools.partial(torch.amp.GradScaler, device='cpu')
    monkeypatch.setattr(upstream, 'is_cuda_available', lambda: True)
    monkeypatch.setattr(upstream, 'GradScaler', on_cpu)
    monkeypatch.setattr(cpu_amp, 'get_device', lambda: 'cuda')


def tiny_segmentor(cfg) -> dict:
    """A network for which bfloat16 takes milliseconds, as many CPUs emulate it."""
    tiny = toy_pspnet()
    del tiny['auxiliary_head']
    tiny['decode_head']['num_classes'] = cfg.model.segmentor.decode_head.num_classes
    return tiny


class Overflow(Hook):
    """The segmentor's gradients overflow in one iteration."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration:
            weight = runner.model.segmentor.decode_head.conv_seg.weight
            self.handle = weight.register_hook(lambda grad: grad * torch.inf)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            self.handle.remove()


@pytest.mark.stack
@pytest.mark.parametrize('counts', [1, 3])
def test_scalers_survive_a_resume_and_a_skipped_step(emulated, short_config, tmp_path, counts):
    def run(folder, resume=False):
        cfg = short_config(
            tmp_path / folder,
            **OPTIONS,
            resume=resume,
            optim_wrapper=dict(accumulative_counts=counts),
        )
        enable_amp(cfg)
        cfg.optim_wrapper.loss_scale = dict(init_scale=256.0, growth_interval=2)
        cfg.model.segmentor = tiny_segmentor(cfg)
        runner = build_runner(cfg)
        runner.register_hook(Overflow(3))  # with accumulation, in the last of a group
        runner.train()

    run('whole')
    (tmp_path / 'parts').mkdir()
    shutil.copy(tmp_path / 'whole/iter_4.pth', tmp_path / 'parts')  # with accumulation, mid-group
    run('parts', resume=True)
    whole, parts = (load(tmp_path / folder / 'iter_6.pth') for folder in ('whole', 'parts'))
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(whole[key], parts[key]) == []
    # Two good steps double a scale; the overflow halves the segmentor's once.
    reached = {part: whole['optimizer'][part]['loss_scaler']['scale'] for part in PARTS}
    assert reached == (
        dict(segmentor=512.0, discriminators=2048.0)
        if counts == 1
        else dict(segmentor=128.0, discriminators=512.0)
    )
    # Schedules go by iterations, whether a step was skipped or not, as in mmengine.
    steps = [each['last_step'] for part in PARTS for each in whole['param_schedulers'][part]]
    assert set(steps) == {6}


@pytest.mark.stack
def test_amp_on_the_cpu_trains_in_bfloat16(short_config, tmp_path):
    cfg = short_config(tmp_path)
    cfg.model.segmentor = tiny_segmentor(cfg)
    enable_amp(cfg)
    runner = build_runner(cfg)
    runner.train()
    assert {type(wrapper) for wrapper in runner.optim_wrapper.values()} == {CpuAmpOptimWrapper}
    state = load(tmp_path / 'iter_2.pth')['state_dict']
    assert {v.dtype for v in state.values() if v.is_floating_point()} == {torch.float32}


def test_amp_on_the_cpu_serves_a_single_optimizer_too(short_config, tmp_path):
    cfg = short_config(tmp_path, 'small/source_only_toy')
    cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
    cfg.param_scheduler = None
    enable_amp(cfg)
    runner = build_runner(cfg)
    runner.train()
    assert type(runner.optim_wrapper) is CpuAmpOptimWrapper
