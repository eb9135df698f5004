"""auto_scale_lr: every part's learning rate, once, by the joint batch."""

import pytest
from checkpoint_helpers import load

from mmseg_da.engine.launch import build_runner
from mmseg_da.errors import UserError

pytestmark = pytest.mark.stack

LR = {'segmentor.lr': 1e-3, 'discriminators.lr': 1e-4}


@pytest.fixture
def train(short_config, tmp_path):
    def run(iterations: int, **options):
        options = {
            'auto_scale_lr.enable': True,
            'auto_scale_lr.base_batch_size': 8,  # the batch is 2
            'param_scheduler': [dict(type='ConstantLR', factor=1.0, by_epoch=False)],
            'train_cfg.max_iters': iterations,
            'train_cfg.val_interval': 100,
        } | options
        runner = build_runner(short_config(tmp_path, **options))
        runner.train()
        return runner

    return run


def rates(runner) -> dict[str, float]:
    return {name: lrs[0] for name, lrs in runner.optim_wrapper.get_lr().items()}


@pytest.mark.parametrize('count', [1, 2])
def test_every_part_is_scaled_by_batch_over_base(train, count):
    runner = train(2, **{'optim_wrapper.accumulative_counts': count})
    # mmengine does not count accumulation: the ratio is 2/8 with it, too
    assert rates(runner) == pytest.approx({name: lr / 4 for name, lr in LR.items()}, rel=1e-12)


@pytest.mark.parametrize('batch_size', [2, 3])
def test_a_resume_does_not_scale_again(train, tmp_path, batch_size):
    """Nor with another batch size: the rates are the checkpoint's."""
    train(2)
    runner = train(4, resume=True, **{'train_dataloader.batch_size': batch_size})
    assert runner.iter == 4
    assert rates(runner) == pytest.approx({name: lr / 4 for name, lr in LR.items()}, rel=1e-12)
    for state in load(tmp_path / 'iter_4.pth')['optimizer'].values():
        assert all(g['lr'] == g['initial_lr'] for g in state['param_groups'])


def test_it_is_off_unless_enabled(train):
    assert rates(train(2, **{'auto_scale_lr.enable': False})) == pytest.approx(LR, rel=1e-12)


def test_the_rule_may_be_the_root_of_batch_over_base(train):
    runner = train(1, **{'auto_scale_lr.rule': 'root'})
    assert rates(runner) == pytest.approx({name: lr / 2 for name, lr in LR.items()}, rel=1e-12)


def test_an_unknown_rule_is_told(train):
    with pytest.raises(UserError, match=r"auto_scale_lr\.rule is 'cube', not 'linear' or 'root'"):
        train(1, **{'auto_scale_lr.rule': 'cube'})
