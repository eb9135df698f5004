"""VFM-UDA's learning rates over 40,000 iterations."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import LinearLR
from torch import nn


@pytest.fixture(scope='module')
def cfg(request):
    return Config.fromfile(request.config.rootpath / 'configs/vfm_gta2cs.py')


def test_rates_are_the_released_ones(cfg):
    warm = np.linspace(1e-3, 1, 1500)
    expected = np.concatenate([warm, np.linspace(1, 0, 40001)[1500:]])
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedulers = []
    for each in (dict(each) for each in cfg.param_scheduler):
        assert each.pop('type') == 'LinearLR'
        schedulers.append(LinearLR(optimizer, **each))
    found = []
    for _ in range(40_000):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    np.testing.assert_allclose(found, expected[:40_000], rtol=1e-8)
    assert found[1499] == pytest.approx(1)
    assert found[1500] == pytest.approx(0.9625)


def test_the_rate_is_by_the_root_of_the_batch(cfg):
    optimizer = cfg.optim_wrapper.segmentor.optimizer
    assert optimizer.lr * 2 == pytest.approx(5e-5 * 8**0.5)  # of the paper's eight images
    assert cfg.train_dataloader.batch_size == 2
    assert cfg.auto_scale_lr == dict(enable=False, base_batch_size=2, rule='root')
