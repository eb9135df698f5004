"""Learning rates of the full-size configs at their last iterations, as the released code has them."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import PolyLR
from mmengine.registry import PARAM_SCHEDULERS

from mmseg_da.engine.launch import read_config

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def factor(scheduler: dict, iteration: int) -> float:
    """What the rate is multiplied by in an iteration, counted from 0."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    built = PARAM_SCHEDULERS.build(dict(scheduler), default_args=dict(optimizer=optimizer))
    assert type(built) is PolyLR
    for _ in range(iteration):
        optimizer.step()
        built.step()
    return optimizer.param_groups[0]['lr']


@pytest.mark.parametrize(
    ('name', 'iterations', 'decay'),
    [
        ('advent_gta2cs', 120_000, 250_000),
        ('minent_gta2cs', 120_000, 250_000),
        ('advent_pspnet_gta2cs', 120_000, 250_000),
        ('advent_synthia2cs', 90_000, 90_000),
        ('minent_synthia2cs', 90_000, 90_000),
    ],
)
def test_the_decay_is_that_of_the_paper(name, iterations, decay):
    cfg = read_config(str(CONFIGS / f'{name}.py'), None)
    assert cfg.train_cfg.max_iters == iterations
    (scheduler,) = cfg.param_scheduler
    # A thousandth of the length takes a thousandth of the steps, with the same factors.
    short = dict(scheduler, end=(scheduler.end - 1) // 1000 + 1)
    assert scheduler.end - 1 == decay
    for done in (0, iterations // 2000, iterations // 1000 - 1):
        expected = (1 - 1000 * done / decay) ** 0.9
        assert factor(short, done) == pytest.approx(expected, rel=1e-6)


def test_golden_factor_at_the_end_of_advent():
    (scheduler,) = read_config(str(CONFIGS / 'advent_gta2cs.py'), None).param_scheduler
    short = dict(scheduler, end=251)
    assert factor(short, 120) == pytest.approx(0.55514, abs=1e-5)
