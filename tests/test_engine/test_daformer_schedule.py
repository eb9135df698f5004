"""DAFormer's learning rates over 40,000 iterations, and which parameters have which."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import LinearLR, PolyLR
from torch import nn

from mmseg_da.engine import PartwiseOptimWrapperConstructor
from mmseg_da.models import DAFormerHead, ReleasedMixVisionTransformer

SCHEDULE = 'configs/_base_/schedules/daformer_40k.py'
KINDS = dict(LinearLR=LinearLR, PolyLR=PolyLR)


@pytest.fixture(scope='module')
def cfg(request):
    return Config.fromfile(request.config.rootpath / SCHEDULE)


def released(iteration: int, base: float = 6e-5) -> float:
    """mmcv 0.x's linear policy with its linear warm-up."""
    regular = base * (1 - iteration / 40_000)
    if iteration >= 1500:
        return regular
    return regular * (1 - (1 - iteration / 1500) * (1 - 1e-6))


def test_rates_are_the_released_ones(cfg):
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=6e-5)
    schedulers = [
        KINDS[each.pop('type')](optimizer, **each)
        for each in (dict(each) for each in cfg.param_scheduler)
    ]
    worst = 0.0
    for iteration in range(40_000):
        expected = released(iteration)
        worst = max(worst, abs(optimizer.param_groups[0]['lr'] - expected) / expected)
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert worst <= 1e-9


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = ReleasedMixVisionTransformer(
            embed_dims=4, num_layers=[1, 1, 1, 1], num_heads=[1, 1, 1, 1]
        )
        self.decode_head = DAFormerHead(
            in_channels=[4, 4, 4, 4], in_index=[0, 1, 2, 3], channels=4, num_classes=3,
            norm_cfg=dict(type='BN'), align_corners=False,
        )  # fmt: skip


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.segmentor = Net()

    def parts(self):
        return dict(segmentor=self.segmentor)


def test_heads_learn_ten_times_as_fast_and_norms_of_the_encoder_do_not_decay(cfg):
    settings = cfg.optim_wrapper.to_dict()
    settings.pop('constructor')
    model = Model()
    wrapper = PartwiseOptimWrapperConstructor(settings)(model)
    names = {id(value): name for name, value in model.segmentor.named_parameters()}
    found = {
        names[id(parameter)]: (group['lr'], group['weight_decay'])
        for group in wrapper['segmentor'].optimizer.param_groups
        for parameter in group['params']
    }
    assert set(found) == set(names.values())
    norms = {
        f'{name}.{kind}'
        for name, module in model.segmentor.named_modules()
        if isinstance(module, nn.LayerNorm)
        for kind in ('weight', 'bias')
    }
    for name, (rate, decay) in found.items():
        head = name.startswith('decode_head')
        # `head` is as long as `norm` and before it in the alphabet, so that it wins for both.
        assert rate == pytest.approx(6e-4 if head else 6e-5), name
        assert decay == (0.0 if name in norms else 0.01), name
    assert any('bn' in name for name in found)
    assert len([name for name in norms if 'norm' not in name]) == 8  # mmseg's last of each stage
