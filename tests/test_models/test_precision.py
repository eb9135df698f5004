"""Mixed precision: a scaler per part, and bfloat16 in every phase."""

import functools

import pytest
import torch
from builders import adaptsegnet, build_adaptor, build_wrappers, snapshot, state_gap
from mmengine.optim.optimizer import amp_optimizer_wrapper as upstream

from mmseg_da.engine import CpuAmpOptimWrapper
from mmseg_da.engine.optimizers import cpu_amp
from mmseg_da.errors import UserError
from mmseg_da.testing import toy_batch, toy_optim_wrapper, toy_pspnet

PARTS = ('segmentor', 'discriminators')
BACKWARDS = pytest.mark.parametrize('backward', ['stages', 'summed'])


def build(backward='stages', **shared):
    adaptor = build_adaptor(adaptsegnet(), toy_pspnet(), backward=backward)
    return adaptor, build_wrappers(adaptor, toy_optim_wrapper(**shared))


@pytest.fixture
def emulated(monkeypatch):
    """mmengine's own ``AmpOptimWrapper`` with torch's scaler for the CPU, as if on a GPU."""
    on_cpu = functools.partial(torch.amp.GradScaler, device='cpu')
    monkeypatch.setattr(upstream, 'is_cuda_available', lambda: True)
    monkeypatch.setattr(upstream, 'GradScaler', on_cpu)
    monkeypatch.setattr(cpu_amp, 'get_device', lambda: 'cuda')

    def make(backward='stages', **shared):
        adaptor, wrappers = build(backward, type='AmpOptimWrapper', **shared)
        assert {type(wrappers[part]) for part in PARTS} == {upstream.AmpOptimWrapper}
        assert len({id(wrappers[part].loss_scaler) for part in PARTS}) == 2
        return adaptor, wrappers

    return make


def scales(wrappers):
    return [wrappers[part].loss_scaler.get_scale() for part in PARTS]


@pytest.mark.stack
@BACKWARDS
def test_bfloat16_runs_in_every_phase(backward):
    adaptor, wrappers = build(backward, type='AmpOptimWrapper', loss_scale='dynamic')
    assert {type(wrappers[part]) for part in PARTS} == {CpuAmpOptimWrapper}
    plain, plain_wrappers = build(backward)
    seen = {'backbone': [], 'rival': []}
    rival = adaptor.objectives['adv_decode'].discriminator
    for name, module in (('backbone', adaptor.segmentor.backbone.layer4), ('rival', rival)):
        module.register_forward_hook(lambda _m, _i, out, name=name: seen[name].append(out.dtype))
    logs = adaptor.train_step(toy_batch(), wrappers)
    theirs = plain.train_step(toy_batch(), plain_wrappers)
    assert set(seen['backbone']) == set(seen['rival']) == {torch.bfloat16}
    assert (len(seen['backbone']), len(seen['rival'])) == (2, 3)
    assert {p.dtype for p in adaptor.parameters()} == {torch.float32}
    for key in logs:
        if 'loss' in key:
            assert logs[key].dtype == torch.float32
            torch.testing.assert_close(logs[key], theirs[key], rtol=0.02, atol=1e-4)
    assert 0 < state_gap(adaptor, plain) < 0.05


def test_half_precision_of_another_kind_is_refused_on_the_cpu():
    with pytest.raises(UserError, match=r"optim_wrapper\.dtype is 'float16'.*bfloat16 only"):
        build(type='AmpOptimWrapper', dtype='float16')


@pytest.mark.stack
@BACKWARDS
@pytest.mark.parametrize('counts', [1, 3])
def test_scaling_changes_no_update(emulated, backward, counts):
    """A power of two scales exactly, so the scaled run is the unscaled one to the bit."""
    scaled, with_scaler = emulated(backward, accumulative_counts=counts, clip_grad=dict(max_norm=1))
    plain, without = build(
        backward,
        type='CpuAmpOptimWrapper',
        accumulative_counts=counts,
        clip_grad=dict(max_norm=1),
    )
    for wrappers, adaptor in ((with_scaler, scaled), (without, plain)):
        wrappers.initialize_count_status(adaptor, 0, 7)  # the last group is of one iteration
        for seed in range(7):
            adaptor.train_step(toy_batch(seed=seed), wrappers)
    assert state_gap(scaled, plain) == 0.0
    updates = 3 if counts == 3 else 7
    states = [with_scaler[part].loss_scaler.state_dict() for part in PARTS]
    assert [state['_growth_tracker'] for state in states] == [updates, updates]
    assert scales(with_scaler) == [65536.0, 65536.0]


@pytest.mark.stack
@pytest.mark.parametrize('part', PARTS)
def test_an_overflow_skips_one_part_and_halves_its_scale(emulated, part):
    adaptor, wrappers = emulated(loss_scale=dict(init_scale=256.0, growth_interval=3))
    before = {name: snapshot(module) for name, module in adaptor.parts().items()}
    parameter = next(p for p in adaptor.parts()[part].parameters() if p.requires_grad)
    handle = parameter.register_hook(lambda grad: grad * torch.inf)
    logs = adaptor.train_step(toy_batch(), wrappers)
    handle.remove()
    assert all(torch.isfinite(value).all() for value in logs.values())
    assert dict(zip(PARTS, scales(wrappers), strict=True)) == {
        name: 128.0 if name == part else 256.0 for name in PARTS
    }
    for name, module in adaptor.parts().items():
        weights = dict(module.named_parameters())
        moved = any(not torch.equal(weights[key], before[name][key]) for key in weights)
        assert moved is (name != part)
    assert [wrappers[name].inner_count for name in PARTS] == [1, 1]
    for seed in (1, 2):
        adaptor.train_step(toy_batch(seed=seed), wrappers)
    other = 512.0  # three good steps of the other part: its scale has grown
    expected = {name: 128.0 if name == part else other for name in PARTS}
    assert dict(zip(PARTS, scales(wrappers), strict=True)) == expected


@BACKWARDS
def test_clipping_bounds_each_part_by_itself(backward):
    limit, rate = 0.005, 1.0
    part = dict(optimizer=dict(type='SGD', lr=rate))
    moved = {}
    for clip in (None, dict(max_norm=limit)):
        adaptor = build_adaptor(adaptsegnet(loss_weight=1.0), toy_pspnet(), backward=backward)
        cfg = toy_optim_wrapper(clip_grad=clip) | dict(segmentor=part, discriminators=part)
        wrappers = build_wrappers(adaptor, cfg)
        before = {name: snapshot(module) for name, module in adaptor.parts().items()}
        adaptor.train_step(toy_batch(), wrappers)
        moved[clip is not None] = {
            name: torch.cat([
                (before[name][key] - value).flatten() for key, value in module.named_parameters()
            ])
            for name, module in adaptor.parts().items()
        }  # fmt: skip
    for name, clipped in ((name, moved[True][name]) for name in PARTS):
        free = moved[False][name]
        assert free.norm() > 2 * limit
        assert clipped.norm().item() == pytest.approx(limit, rel=1e-3)
        torch.testing.assert_close(clipped, free * limit / free.norm(), rtol=1e-3, atol=1e-6)


def test_the_norm_of_each_part_is_logged_by_its_name():
    _, wrappers = build(clip_grad=dict(max_norm=1))
    names = {part: wrappers[part].grad_name for part in PARTS}
    assert names == {part: f'{part}.grad_norm' for part in PARTS}


@pytest.mark.parametrize('kind', ['float16', None])
def test_amp_settings_reach_every_part(emulated, kind):
    _, wrappers = emulated(dtype=kind, loss_scale=512.0)
    expected = torch.float16 if kind else None
    assert [wrappers[part].cast_dtype for part in PARTS] == [expected] * 2
    assert scales(wrappers) == [512.0, 512.0]
