"""Parameter groups of equal settings are one group, and nothing else changes."""

import torch
from torch import nn

from mmseg_da.engine.optimizers.partwise_constructor import merge_groups


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))


def one_group_each(model, rates):
    groups = [dict(params=[p], lr=lr) for p, lr in zip(model.parameters(), rates, strict=True)]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=0.01)


def test_groups_of_equal_settings_are_joined():
    optimizer = one_group_each(network(), (0.1, 0.1, 0.2, 0.1, 0.2, 0.3))
    merge_groups(optimizer)
    found = [(group['lr'], len(group['params'])) for group in optimizer.param_groups]
    assert found == [(0.1, 3), (0.2, 2), (0.3, 1)]
    assert all(group['momentum'] == 0.9 for group in optimizer.param_groups)


def test_every_weight_moves_as_before():
    plain, merged = network(), network()
    optimizers = [one_group_each(each, (0.1, 0.1, 0.2, 0.1, 0.2, 0.3)) for each in (plain, merged)]
    merge_groups(optimizers[1])
    for step in range(3):
        for model, optimizer in zip((plain, merged), optimizers, strict=True):
            optimizer.zero_grad()
            model(torch.full((1, 4), step + 1.0)).square().sum().backward()
            optimizer.step()
    for one, other in zip(plain.parameters(), merged.parameters(), strict=True):
        assert torch.equal(one, other)
