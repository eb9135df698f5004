"""Learning rates by stage: every parameter has the rate that is written down, and no other group."""

import copy
from pathlib import Path

import pytest
from finetune_helpers import SOURCE_CLASSES, plain_config
from mmengine.config import Config

from mmseg_da.engine.launch import build_runner
from mmseg_da.errors import UserError
from mmseg_da.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS
from mmseg_da.testing import (
    toy_adaptor,
    toy_alignment,
    toy_optim_wrapper,
    toy_pspnet,
    toy_segformer,
)

pytestmark = pytest.mark.stack
SCHEDULES = Path(__file__).resolve().parents[2] / 'configs/_base_/schedules'
SGD = dict(type='SGD', lr=0.5, momentum=0.9, weight_decay=0.25)
STEM, LAYERS = 'backbone.stem', [f'backbone.layer{n}' for n in range(1, 5)]


def build(layerwise, segmentor=None, optimizer=SGD, **paramwise):
    model = MODELS.build(segmentor or toy_pspnet())
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
        dict(
            type='LayerwiseOptimWrapperConstructor',
            optim_wrapper_cfg=dict(type='OptimWrapper', optimizer=dict(optimizer)),
            paramwise_cfg=dict(layerwise=layerwise, **paramwise),
        )
    )
    return model, constructor(model)


def rates(model, wrapper, key='lr'):
    """The setting of each parameter, by name."""
    of = {id(p): group[key] for group in wrapper.optimizer.param_groups for p in group['params']}
    return {name: of[id(p)] for name, p in model.named_parameters() if id(p) in of}


def by_part(found):
    """The settings of each part: stages, and heads with and without their classifier."""
    parts = {}
    for name, rate in found.items():
        part = '.'.join(name.split('.')[:2])
        if not name.startswith('backbone'):
            part = name.split('.')[0] + ('.conv_seg' if 'conv_seg' in name else '')
        parts.setdefault(part, set()).add(rate)
    return {part: values.pop() for part, values in parts.items() if len(values) == 1}


def expected(stem, layers, heads, conv_seg):
    parts = {STEM: stem} | dict(zip(LAYERS, layers, strict=True))
    for head in ('decode_head', 'auxiliary_head'):
        parts |= {head: heads, f'{head}.conv_seg': conv_seg}
    return {part: 0.5 * factor for part, factor in parts.items()}


@pytest.mark.parametrize(
    ('layerwise', 'factors'),
    [
        (dict(stages=dict(layer2=0.1, layer4=0.5)), (1, (1, 0.1, 1, 0.5), 1, 1)),
        (dict(backbone=0.1), (0.1, (0.1, 0.1, 0.1, 0.1), 1, 1)),
        (dict(stages=dict(stem=2.0), backbone=0.1, conv_seg=10), (2, (0.1,) * 4, 1, 10)),
        (dict(heads=4.0), (1, (1, 1, 1, 1), 4, 4)),
        (dict(heads=4.0, conv_seg=0.5), (1, (1, 1, 1, 1), 4, 0.5)),
        (dict(decay=0.5), (0.5**5, (0.5**4, 0.5**3, 0.5**2, 0.5), 1, 1)),
    ],
)
def test_every_part_has_its_rate(layerwise, factors):
    model, wrapper = build(layerwise)
    found = rates(model, wrapper)
    assert set(found) == {name for name, _ in model.named_parameters()}
    assert by_part(found) == pytest.approx(expected(*factors))
    groups = wrapper.optimizer.param_groups
    assert len(groups) == len(set(found.values()))
    assert sum(len(group['params']) for group in groups) == len(found)


def test_it_multiplies_what_mmengine_sets():
    custom = dict(layer4=dict(lr_mult=3.0, decay_mult=0.0))
    model, wrapper = build(dict(stages=dict(layer4=0.5)), custom_keys=custom, norm_decay_mult=0.0)
    found, decay = rates(model, wrapper), rates(model, wrapper, 'weight_decay')
    assert found['backbone.layer4.0.conv1.weight'] == pytest.approx(0.75)
    assert found['backbone.layer3.0.conv1.weight'] == 0.5
    assert decay['backbone.layer4.0.conv1.weight'] == 0
    assert decay['backbone.layer3.0.conv1.weight'] == 0.25
    assert decay['backbone.layer3.0.bn1.weight'] == 0


def test_frozen_stages_are_not_in_the_optimizer():
    segmentor = toy_pspnet()
    segmentor['backbone']['frozen_stages'] = 3
    found = rates(*build(dict(stages=dict(layer4=0.1)), segmentor))
    assert {name.split('.')[1] for name in found if name.startswith('backbone')} == {'layer4'}


def test_a_resnet_with_one_convolution_for_a_stem():
    segmentor = toy_pspnet()
    segmentor['backbone'] |= dict(type='ResNet')
    found = rates(*build(dict(stages=dict(stem=0.1)), segmentor))
    slow = {name for name, rate in found.items() if rate == pytest.approx(0.05)}
    assert slow == {'backbone.conv1.weight', 'backbone.bn1.weight', 'backbone.bn1.bias'}


def test_in_an_adaptor_it_is_of_the_segmentors_part():
    objectives = dict(seg=dict(type='SourceSupervision'), adv=toy_alignment())
    model = MODELS.build(toy_adaptor(toy_pspnet(), objectives))
    cfg = toy_optim_wrapper()
    cfg['segmentor'] = dict(
        constructor='LayerwiseOptimWrapperConstructor',
        optimizer=dict(SGD),
        paramwise_cfg=dict(layerwise=dict(backbone=0.1, conv_seg=10.0)),
    )
    kind = cfg.pop('constructor')
    built = OPTIM_WRAPPER_CONSTRUCTORS.build(dict(type=kind, optim_wrapper_cfg=cfg))(model)
    found = by_part(rates(model.segmentor, built['segmentor']))
    assert found == pytest.approx(expected(0.1, (0.1,) * 4, 1, 10))
    assert [group['lr'] for group in built['discriminators'].optimizer.param_groups] == [1e-3]


@pytest.mark.parametrize(
    ('layerwise', 'said'),
    [
        (None, 'layerwise is None, but has to be a dict of some of stages, decay'),
        ({}, r'layerwise is \{\}, but has to be a dict'),
        (dict(layer4=0.1), "layerwise has 'layer4', but takes stages, decay"),
        (dict(stages=0.1), r'layerwise\.stages is 0\.1, but has to be a dict'),
        (
            dict(stages=dict(layer5=0.1)),
            "has 'layer5', but the stages of ResNetV1c are stem, layer1",
        ),
        (dict(stages=dict(layer4=0)), r'layerwise\.stages\.layer4 is 0, .*frozen_stages'),
        (dict(heads=-1.0), r'layerwise\.heads is -1\.0'),
        (dict(conv_seg='10'), r"layerwise\.conv_seg is '10'"),
        (dict(decay=True), r'layerwise\.decay is True'),
        (dict(decay=0.5, backbone=0.1), 'both `decay` and factors of stages'),
        (dict(decay=0.5, stages=dict(layer4=1.0)), 'both `decay` and factors of stages'),
    ],
)
def test_settings_that_cannot_be_followed(layerwise, said):
    with pytest.raises(UserError, match=said):
        build(layerwise)


def test_a_backbone_without_stages_and_an_optimizer_without_rate():
    with pytest.raises(UserError, match=r'MixVisionTransformer has no stages layer1.*custom_keys'):
        build(dict(backbone=0.1), toy_segformer())
    with pytest.raises(UserError, match=r'multiplies optim_wrapper\.optimizer\.lr'):
        build(dict(backbone=0.1), optimizer=dict(type='Adadelta'))


BUDGETS = {
    # parameters of these rates at the peak, the iteration of the peak, the length
    'finetune_20': (dict(zip(LAYERS, [None] * 3 + [1e-4], strict=True)), 1e-3, 1e-2, 100, 2000),
    'finetune_200': (
        dict(zip(LAYERS, [None, 1e-4, 2.5e-4, 5e-4], strict=True)), 1e-3, 1e-2, 300, 8000,
    ),
    'finetune_full': (dict.fromkeys((STEM, *LAYERS), 0.001), 1e-2, 1e-2, 500, 40000),
}  # fmt: skip


@pytest.mark.parametrize('name', BUDGETS)
def test_the_schedules_are_those_of_the_label_budgets(name):
    stages, heads, conv_seg, warm, length = BUDGETS[name]
    cfg = Config.fromfile(SCHEDULES / f'{name}.py')
    segmentor = toy_pspnet()
    segmentor['backbone'].update(cfg.backbone_policy)
    settings = copy.deepcopy(cfg.optim_wrapper.to_dict())
    model = MODELS.build(segmentor)
    kind, paramwise = settings.pop('constructor'), settings.pop('paramwise_cfg')
    wrapper = OPTIM_WRAPPER_CONSTRUCTORS.build(
        dict(type=kind, optim_wrapper_cfg=settings, paramwise_cfg=paramwise)
    )(model)
    found = by_part(rates(model, wrapper))
    for part, rate in stages.items():
        assert found.get(part) == pytest.approx(rate), part
    for head in ('decode_head', 'auxiliary_head'):
        assert found[head] == pytest.approx(heads)
        assert found[f'{head}.conv_seg'] == pytest.approx(conv_seg)
    assert cfg.train_cfg.max_iters == length == cfg.param_scheduler[-1].end - 1
    assert cfg.param_scheduler[0].end == cfg.param_scheduler[1].begin == warm
    # The lowest rate follows the same curve as the highest, down to its end.
    group = min(wrapper.optimizer.param_groups, key=lambda each: each['lr'])
    peak = group['lr']
    schedule = [
        PARAM_SCHEDULERS.build(dict(each), default_args=dict(optimizer=wrapper))
        for each in cfg.param_scheduler
    ]
    seen = []
    for _ in range(length):
        seen.append(group['lr'])
        for scheduler in schedule:
            scheduler.step()
    assert seen[0] == pytest.approx(0.01 * peak)
    assert max(seen) == pytest.approx(peak) == pytest.approx(seen[warm])
    for at in (warm, (warm + length) // 2, length - 1):
        left = 1 - (at - warm) / (length - warm)
        assert seen[at] == pytest.approx(peak * left**0.9, rel=1e-3), at


def test_a_wrong_setting_is_told_with_its_config(toy_data, tmp_path):
    optim = dict(
        constructor='LayerwiseOptimWrapperConstructor',
        paramwise_cfg=dict(layerwise=dict(stages=dict(layer9=0.1))),
    )
    cfg = plain_config(toy_data, tmp_path, SOURCE_CLASSES, optim_wrapper=optim)
    runner = build_runner(cfg)
    with pytest.raises(UserError, match=r'layerwise\.stages has .layer9.'):
        runner.train()
