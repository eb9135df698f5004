"""CycleGAN's learning rate: its numbers, by parts of a config, and over a resume."""

import io

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper

from mmseg_da.engine import LinearDecayLR
from mmseg_da.engine.launch import build_runner
from mmseg_da.errors import UserError
from mmseg_da.registry import PARAM_SCHEDULERS

GOLDEN = {0: 1.0, 98: 1.0, 99: 0.9901, 198: 0.0099, 199: 0.0}


def make_optimizer(*rates: float) -> OptimWrapper:
    groups = [dict(params=[torch.nn.Parameter(torch.ones(1))], lr=rate) for rate in rates]
    return OptimWrapper(torch.optim.SGD(groups, lr=1.0))


def rates(optimizer, scheduler, iterations):
    """The rate of the first group in each iteration."""
    seen = []
    for _ in range(iterations):
        seen.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return seen


def test_it_has_the_released_factors():
    optimizer = make_optimizer(1.0)
    scheduler = LinearDecayLR(optimizer, constant=100, decay=100, epoch_iters=3)
    seen = rates(optimizer, scheduler, 620)
    for epoch, factor in GOLDEN.items():
        assert seen[3 * epoch : 3 * epoch + 3] == pytest.approx([factor] * 3, abs=5e-5)
    assert seen[600:] == [0.0] * 20
    assert sorted(seen, reverse=True) == seen
    assert len(set(seen)) == 102  # 1, then another in each of 101 epochs


def test_each_group_keeps_its_own_rate():
    optimizer = make_optimizer(0.5, 2e-4)
    scheduler = LinearDecayLR(optimizer, constant=1, decay=3, epoch_iters=1)
    rates(optimizer, scheduler, 2)
    groups = optimizer.optimizer.param_groups  # without the one that mmengine adds for itself
    assert [group['lr'] for group in groups] == [0.5 * 0.25, 2e-4 * 0.25]


def test_it_starts_at_begin():
    optimizer = make_optimizer(1.0)
    scheduler = LinearDecayLR(optimizer, constant=1, decay=1, epoch_iters=2, begin=3)
    assert rates(optimizer, scheduler, 9) == [1.0] * 3 + [0.5] * 2 + [0.0] * 4


@pytest.mark.parametrize('end', [1, 4, None])
def test_the_runners_end_does_not_cut_it_short(end):
    optimizer = make_optimizer(1.0)
    scheduler = LinearDecayLR(optimizer, constant=2, decay=3, epoch_iters=1, end=end)
    assert rates(optimizer, scheduler, 6) == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


@pytest.mark.stack
@pytest.mark.parametrize('done', [1, 5, 11, 17])
def test_it_goes_on_exactly(done):
    settings = dict(constant=2, decay=3, epoch_iters=3)
    optimizer = make_optimizer(0.3)
    whole = rates(optimizer, LinearDecayLR(optimizer, **settings), 18)
    optimizer = make_optimizer(0.3)
    scheduler = LinearDecayLR(optimizer, **settings)
    rates(optimizer, scheduler, done)
    file = io.BytesIO()
    torch.save((optimizer.state_dict(), scheduler.state_dict()), file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    optimizer = make_optimizer(0.3)
    scheduler = LinearDecayLR(optimizer, **settings)
    optimizer.load_state_dict(saved[0])
    scheduler.load_state_dict(saved[1])
    assert rates(optimizer, scheduler, 18 - done) == whole[done:]


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(by_epoch=True), 'set by_epoch=False'),
        (dict(constant=-1), 'constant=-1 must not be negative'),
        (dict(decay=0), 'decay=0'),
        (dict(epoch_iters=0), 'epoch_iters=0'),
    ],
)
def test_settings_that_cannot_be_are_told(wrong, message):
    settings = dict(constant=2, decay=3, epoch_iters=3) | wrong
    with pytest.raises(UserError, match=message):
        LinearDecayLR(make_optimizer(1.0), **settings)


def test_it_is_in_mmsegs_registry():
    cfg = dict(type='LinearDecayLR', constant=1, decay=1, epoch_iters=1)
    scheduler = PARAM_SCHEDULERS.build(cfg, default_args=dict(optimizer=make_optimizer(1.0)))
    assert type(scheduler) is LinearDecayLR


class NoteRates(Hook):
    """Notes the rate of each part in each iteration."""

    def __init__(self) -> None:
        self.seen = []

    def before_train_iter(self, runner, *_, **__):
        self.seen.append(
            {k: each.param_groups[0]['lr'] for k, each in runner.optim_wrapper.items()}
        )


@pytest.mark.stack
def test_a_runner_gives_it_to_one_part_and_resumes_it(short_config, tmp_path):
    decay = dict(type='LinearDecayLR', constant=1, decay=2, epoch_iters=2, by_epoch=False)
    still = dict(type='ConstantLR', factor=1.0, by_epoch=False, begin=0, end=10)
    notes = NoteRates()
    for iterations, resume in ((3, False), (8, True)):
        cfg = short_config(tmp_path, **{'train_cfg.max_iters': iterations, 'resume': resume})
        cfg.train_cfg.val_interval = 100
        cfg.default_hooks.checkpoint.interval = 3
        cfg.param_scheduler = dict(segmentor=[decay], discriminators=[still])
        runner = build_runner(cfg)
        runner.register_hook(notes)
        runner.train()
    base = runner.optim_wrapper['segmentor'].param_groups[0]['initial_lr']
    factors = [2 / 3, 2 / 3, 1 / 3, 1 / 3, 0, 0, 0, 0]
    assert [each['segmentor'] for each in notes.seen] == pytest.approx([base * f for f in factors])
    assert len({each['discriminators'] for each in notes.seen}) == 1
