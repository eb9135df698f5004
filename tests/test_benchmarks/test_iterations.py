"""What the benchmark compares: every method trains, and the same way in plain torch."""

import methods
import pytest
import torch
from iterations import build_pair, rows
from methods import METHODS
from mmengine.config import ConfigDict
from networks import DEFAULT_SEGMENTORS, SEGMENTORS, network
from torch import nn

from mmseg_da.registry import MODELS
from mmseg_da.testing import toy_batch

SIZE = (32, 32)


@pytest.fixture
def small_translators(monkeypatch):
    """CycleGAN's networks, which all entries share, as toys."""
    for cfg, own in (
        (methods.GENERATOR, dict(blocks=1, channels=4)),
        (methods.JUDGE, dict(channels=4, layers=1)),
    ):
        for key, value in own.items():
            monkeypatch.setitem(cfg, key, value)


def largest_gap(one: nn.Module, other: nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max((p - q).abs().max().item() for p, q in pairs)


@pytest.mark.parametrize('method', METHODS)
def test_both_sides_train_every_part_and_alike(method, small_translators):
    ((_, segmentor),) = rows([method], ['toy_pspnet'])
    pair, before = (build_pair(method, segmentor, (SIZE, SIZE), 0, torch.float64) for _ in 'ab')
    for seed in range(2):
        for step in (pair.literal_step, pair.product_step):
            torch.manual_seed(seed)  # of the image pools' draws
            step(toy_batch(2, SIZE, SIZE, seed=seed))
    assert pair.largest_gap() <= 1e-9
    start = before.model.parts()
    for model in (pair.model, pair.literal_model):
        for name, part in model.parts().items():
            assert largest_gap(part, start[name]) > 1e-6, name


def test_another_weight_on_one_side_shows(small_translators):
    pair = build_pair('cycada_translate', None, (SIZE, SIZE), 0, torch.float64)
    pair.literal.cycle = 9.9
    for step in (pair.literal_step, pair.product_step):
        torch.manual_seed(0)
        step(toy_batch(2, SIZE, SIZE))
    assert pair.largest_gap() > 1e-7


def test_one_row_for_each_network_that_fits():
    found = rows(
        ['cycada_translate', 'adaptsegnet_multi', 'source_only'], ['segformer', 'toy_pspnet']
    )
    assert found == [
        ('cycada_translate', None),
        ('adaptsegnet_multi', 'toy_pspnet'),
        ('source_only', 'segformer'),
        ('source_only', 'toy_pspnet'),
    ]


@pytest.mark.parametrize(
    ('name', 'millions'),
    [('pspnet', 49.0 / 16), ('segformer', 3.72), ('deeplabv2', None)],
)
def test_networks_are_of_a_real_size_and_alike_each_time(name, millions):
    model = MODELS.build(ConfigDict(SEGMENTORS[name]())).train()
    model.init_weights()
    images = torch.randn(2, 3, *SIZE)
    first, second = (model.decode_head(model.backbone(images)) for _ in 'ab')
    assert torch.equal(first, second)
    assert all(p.abs().max() > 0 for key, p in model.named_parameters() if 'bn3.weight' in key)
    if millions:
        count = sum(each.numel() for each in model.parameters()) / 1e6
        assert count == pytest.approx(millions, rel=0.03)


def test_a_quarter_of_the_width():
    full, quarter = (network('pspnet_r50-d8.py', part) for part in (1, 4))
    assert full['backbone'].pop('base_channels') == 4 * quarter['backbone'].pop('base_channels')
    assert full['backbone'].pop('stem_channels') == 4 * quarter['backbone'].pop('stem_channels')
    for head in ('decode_head', 'auxiliary_head'):
        for key in ('in_channels', 'channels'):
            assert full[head].pop(key) == 4 * quarter[head].pop(key)
    assert full == quarter


@pytest.mark.parametrize('name', DEFAULT_SEGMENTORS)
def test_nothing_is_read_or_random_or_distributed(name):
    text = str(SEGMENTORS[name]())
    assert 'Pretrained' not in text
    assert 'SyncBN' not in text
    for key in ("'dropout_ratio'", "'drop_path_rate'"):
        assert text.count(key) == text.count(f'{key}: 0.0')
