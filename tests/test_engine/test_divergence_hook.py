"""A training whose loss is no number stops, and says where to go on."""

import pytest
import torch
from checkpoint_helpers import load
from mmengine.hooks import Hook

from mmseg_da.engine.launch import build_runner
from mmseg_da.errors import UserError


class Poison(Hook):
    """Spoils a weight for good."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration:
            next(runner.model.segmentor.decode_head.parameters()).data.fill_(torch.nan)


def prepare(short_config, work_dir, poison, log_every, save_every, iterations=12, **options):
    options = {
        'train_cfg.max_iters': iterations,
        'train_cfg.val_interval': 100,
        'default_hooks.logger.interval': log_every,
        'default_hooks.checkpoint.interval': save_every,
        'default_hooks.checkpoint.max_keep_ckpts': -1,
    } | options
    runner = build_runner(short_config(work_dir, **options))
    runner.register_hook(poison)
    return runner


@pytest.mark.stack
def test_it_stops_at_the_next_line_of_the_log(short_config, tmp_path):
    runner = prepare(short_config, tmp_path, Poison(6), log_every=5, save_every=4)
    with pytest.raises(UserError) as stopped:
        runner.train()
    message = str(stopped.value)
    assert (
        runner.iter == 7
    )  # the eighth, when a checkpoint was due: it comes before the log's tenth
    assert 'is not finite since iteration 6' in message
    assert 'seg.decode.loss_ce, segmentor.loss' in message
    assert f'load_from={tmp_path / "iter_4.pth"}' in message
    assert {path.name for path in tmp_path.glob('*.pth')} == {'iter_4.pth'}


def test_it_looks_when_the_log_is_written(short_config, tmp_path):
    runner = prepare(short_config, tmp_path, Poison(6), log_every=5, save_every=100)
    with pytest.raises(UserError, match=r'iteration 6\. There is no checkpoint from before'):
        runner.train()
    assert runner.iter == 9


def test_it_looks_after_the_last_iteration(short_config, tmp_path):
    runner = prepare(short_config, tmp_path, Poison(6), 100, 100, iterations=7)
    with pytest.raises(UserError, match='iteration 6'):
        runner.train()
    assert not list(tmp_path.glob('*.pth'))


def test_a_diverged_checkpoint_is_not_called_good(short_config, tmp_path):
    runner = prepare(short_config, tmp_path, Poison(6), 5, 2, **{'default_hooks.divergence': None})
    runner.train()
    assert load(tmp_path / 'iter_6.pth')['meta']['iter'] == 6
    runner = prepare(short_config, tmp_path, Poison(7), 5, 2, resume=True, iterations=14)
    with pytest.raises(UserError, match=r'since iteration 13\. The last good .* .*/iter_4\.pth'):
        runner.train()


class Scaled:
    """What a loss scaler of a wrapper looks like from outside."""

    def is_enabled(self) -> bool:
        return True


def prepare_scaled(short_config, work_dir, poison, patience):
    divergence = dict(type='DivergenceHook', patience=patience)
    options = {'default_hooks.divergence': divergence}
    runner = prepare(short_config, work_dir, poison, 1, 100, 6, **options)
    build = runner.build_optim_wrapper

    def scaled(cfg):
        wrapper = build(cfg)
        for each in wrapper.values():
            each.loss_scaler = Scaled()
        return wrapper

    runner.build_optim_wrapper = scaled
    return runner


@pytest.mark.parametrize('patience', [1, 3])
def test_a_scaler_is_waited_for_only_so_long(short_config, tmp_path, patience):
    runner = prepare_scaled(short_config, tmp_path, Poison(3), patience)
    with pytest.raises(UserError, match='since iteration 3'):
        runner.train()
    assert runner.iter + 1 == 2 + patience


def test_losses_that_come_back_are_forgotten_where_a_scaler_watches(short_config, tmp_path):
    class OnlyLogged(Hook):
        """One infinite value in the log, as of a step that was left out."""

        priority = 'NORMAL'  # after mmengine has logged, before ours looks

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter + 1 == 3:
                runner.message_hub.update_scalar('train/segmentor.loss', torch.inf)

    runner = prepare_scaled(short_config, tmp_path, OnlyLogged(), patience=2)
    runner.train()
    assert runner.iter == 6
