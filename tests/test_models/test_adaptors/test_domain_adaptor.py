"""The adaptor around any plain segmentor: one step, the same predictions, its mistakes by name."""

import copy
from itertools import permutations

import pytest
import torch
from builders import (
    SUPERVISION,
    adaptsegnet,
    build_adaptor,
    build_wrappers,
    gap,
    snapshot,
    train,
)

from mmseg_da.errors import UserError
from mmseg_da.models import DomainPreprocessor
from mmseg_da.models.adaptors.domain_adaptor import group_by_views
from mmseg_da.testing import (
    toy_adaptor,
    toy_alignment,
    toy_batch,
    toy_optim_wrapper,
    toy_pspnet,
    toy_segformer,
)

HEAD = dict(
    channels=8, num_classes=4, align_corners=False, norm_cfg=dict(type='BN'), dropout_ratio=0.0
)


def deeplabv2() -> dict:
    def head(in_channels: int, in_index: int) -> dict:
        shared = dict(num_classes=4, align_corners=True, dilations=(1, 2))
        return dict(type='ASPPV2Head', in_channels=in_channels, in_index=in_index, **shared)

    backbone = dict(
        type='CeilPoolResNet',
        depth=50,
        stem_channels=4,
        base_channels=4,
        style='caffe',
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=False,
        norm_cfg=dict(type='BN', requires_grad=False),
    )
    heads = dict(decode_head=head(128, 3), auxiliary_head=head(64, 2))
    return toy_pspnet() | dict(backbone=backbone) | heads


def upernet() -> dict:
    head = dict(
        type='UPerHead', in_channels=[4, 8, 16, 32], in_index=[0, 1, 2, 3], pool_scales=(1, 2)
    )
    return toy_pspnet() | dict(decode_head=head | HEAD)


def several_auxiliary_heads() -> dict:
    heads = [
        dict(type='FCNHead', in_channels=4 * 2**i, in_index=i, num_convs=1, concat_input=False)
        for i in (1, 2)
    ]
    return toy_pspnet() | dict(auxiliary_head=[head | HEAD for head in heads])


SEGMENTORS = {
    'PSPNet': (toy_pspnet, ['decode', 'aux']),
    'PSPNet with GN': (lambda: toy_pspnet('GN'), ['decode', 'aux']),
    'DeepLabV2': (deeplabv2, ['decode', 'aux']),
    'SegFormer': (toy_segformer, ['decode']),
    'UPerNet': (upernet, ['decode', 'aux']),
    'auxiliary list': (several_auxiliary_heads, ['decode', 'aux_0', 'aux_1']),
}
EACH = pytest.mark.parametrize('name', SEGMENTORS)


def adapted(name: str):
    make, heads = SEGMENTORS[name]
    objectives = dict(seg=SUPERVISION) | {f'adv_{h}': toy_alignment(head=h) for h in heads}
    return build_adaptor(objectives, make())


@pytest.mark.stack
@EACH
def test_any_segmentor_takes_a_step_of_adaptsegnet(name):
    adaptor = adapted(name)
    before = snapshot(adaptor)
    (logs,) = train(adaptor, build_wrappers(adaptor))
    assert all(value.isfinite() for value in logs.values())
    heads = SEGMENTORS[name][1]
    assert {f'seg.{head}.loss_ce' for head in heads} <= set(logs)
    assert {f'adv_{head}.loss_fool' for head in heads} <= set(logs)
    still = [
        key
        for key, value in adaptor.named_parameters()
        if value.requires_grad and torch.equal(value, before[key])
    ]
    assert still == []


@EACH
def test_it_predicts_what_the_segmentor_predicts(name):
    adaptor = adapted(name).eval()
    data = toy_batch()['target']
    with torch.no_grad():
        ours = adaptor.test_step(copy.deepcopy(data))
        images = adaptor.data_preprocessor(copy.deepcopy(data))['inputs']
        theirs = adaptor.segmentor.predict(images, data['data_samples'])
        assert torch.equal(adaptor(images), adaptor.segmentor(images, mode='tensor'))
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.pred_sem_seg.data.shape == (1, 48, 80)
        assert torch.equal(mine.pred_sem_seg.data, other.pred_sem_seg.data)
        assert gap(mine.seg_logits.data, other.seg_logits.data) == 0.0


def test_it_shows_mmsegs_tools_what_they_read():
    adaptor = adapted('PSPNet')
    inner = adaptor.segmentor
    for attribute in ('backbone', 'decode_head', 'num_classes', 'out_channels', 'align_corners'):
        assert getattr(adaptor, attribute) is getattr(inner, attribute)


def test_keys_in_checkpoints_are_stable():
    adaptor = build_adaptor(adaptsegnet())
    inner = [f'segmentor.{key}' for key in adaptor.segmentor.state_dict()]
    rivals = [
        f'objectives.{name}.discriminator.{layer}.{kind}'
        for name in ('adv_aux', 'adv_decode')
        for layer in (0, 2, 4, 6, 8)
        for kind in ('weight', 'bias')
    ]
    assert list(adaptor.state_dict()) == inner + rivals
    assert 'segmentor.decode_head.conv_seg.weight' in inner


def test_stages_are_one_per_view_and_summed_is_one():
    stages = build_adaptor(adaptsegnet()).phases()[0].stages
    assert [(stage.views, stage.terms) for stage in stages] == [
        (('source',), ('seg',)),
        (('target',), ('adv_aux', 'adv_decode')),
    ]
    (stage,) = build_adaptor(adaptsegnet(), backward='summed').phases()[0].stages
    assert stage.views == ('source', 'target')
    assert stage.terms == ('seg', 'adv_aux', 'adv_decode')


def test_an_objective_of_none_is_dropped():
    adaptor = build_adaptor(adaptsegnet() | dict(adv_aux=None))
    assert list(adaptor.objectives) == ['seg', 'adv_decode']


def test_the_segmentors_preprocessor_is_taken_over():
    cfg = toy_pspnet()
    cfg['data_preprocessor'] = dict(type='SegDataPreProcessor', mean=[1.0] * 3, std=[2.0] * 3)
    kept = copy.deepcopy(cfg)
    adaptor = build_adaptor(dict(seg=SUPERVISION), cfg, data_preprocessor=None)
    assert isinstance(adaptor.data_preprocessor, DomainPreprocessor)
    assert adaptor.data_preprocessor.domains['target'].mean.flatten().tolist() == [1.0] * 3
    assert cfg == kept


@pytest.mark.parametrize('own', [[1.0] * 3, None])
def test_a_plain_one_that_a_runner_brings_stands_behind_it(own):
    plain = dict(type='SegDataPreProcessor', std=[2.0] * 3, size=(8, 8))
    cfg = toy_pspnet()
    if own:
        cfg['data_preprocessor'] = plain | dict(mean=own)
    brought = plain | dict(mean=[7.0] * 3)
    adaptor = build_adaptor(dict(seg=SUPERVISION), cfg, data_preprocessor=brought)
    assert isinstance(adaptor.data_preprocessor, DomainPreprocessor)
    mean = adaptor.data_preprocessor.domains['target'].mean.flatten().tolist()
    assert mean == (own or [7.0] * 3)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(objectives=dict(my_loss=SUPERVISION)), r'model\.objectives\.my_loss.*"loss"'),
        (dict(objectives={'seg.a': SUPERVISION}), r'model\.objectives\.seg\.a: .*Rename'),
        (dict(objectives=dict(type=SUPERVISION)), r'model\.objectives\.type: .*Rename'),
        (dict(data_preprocessor=None), r'BaseDataPreprocessor.*DomainPreprocessor'),
        (
            dict(data_preprocessor=dict(type='BaseDataPreprocessor')),
            r'model\.data_preprocessor is a BaseDataPreprocessor, .*DomainPreprocessor',
        ),
        (dict(objectives=dict(seg={})), r'model\.objectives\.seg: `type` is missing'),
        (
            dict(objectives=dict(seg=dict(type='PixelDiscriminator', in_channels=3))),
            r'model\.objectives\.seg: PixelDiscriminator is not an Objective',
        ),
        (dict(objectives={}), r'model\.objectives is empty'),
        (dict(objectives=dict(seg=None)), r'model\.objectives is empty'),
        (dict(backward='twice'), r"model\.backward is 'twice'"),
        (dict(pretrained='weights.pth'), r'model\.segmentor'),
        (dict(train_cfg=dict()), r'model\.segmentor'),
    ],
)
def test_a_mistake_is_named_when_building(change, message):
    with pytest.raises(UserError, match=message):
        build_adaptor(**dict(objectives=dict(seg=SUPERVISION)) | change)


def test_a_segmentor_that_does_not_fit_is_named_when_building():
    cfg = toy_pspnet()
    loss = dict(type='CrossEntropyLoss')
    cfg['decode_head'] = dict(type='DDRHead', in_channels=32, loss_decode=[loss, loss]) | HEAD
    with pytest.raises(UserError, match=r'model\.segmentor: the decode head DDRHead'):
        build_adaptor(dict(seg=SUPERVISION), cfg)


def optimizers(**parts) -> dict:
    return dict(constructor='PartwiseOptimWrapperConstructor', **parts)


SGD = dict(optimizer=dict(type='SGD', lr=0.1))


@pytest.mark.parametrize(
    ('objectives', 'cfg', 'message'),
    [
        (adaptsegnet(), optimizers(segmentor=SGD), r"trains \['discriminators', 'segmentor'\]"),
        (
            dict(seg=SUPERVISION),
            optimizers(segmentor=SGD, discriminators=SGD),
            r"configures \['discriminators', 'segmentor'\], but this model trains \['segmentor'\]",
        ),
        (
            dict(seg=SUPERVISION),
            optimizers(segmentor=SGD, paramwise_cfg=dict(norm_decay_mult=0.0)),
            r'optim_wrapper\.paramwise_cfg',
        ),
    ],
    ids=['part without optimizer', 'optimizer without part', 'paramwise_cfg at the top'],
)
def test_optimizers_must_match_the_parts(objectives, cfg, message):
    with pytest.raises(UserError, match=message):
        build_wrappers(build_adaptor(objectives), cfg)


def test_a_trainable_weight_of_no_part_is_named():
    adaptor = build_adaptor(dict(seg=SUPERVISION))
    adaptor.objectives['seg'].temperature = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(UserError, match=r'objectives\.seg\.temperature \(1 trainable'):
        build_wrappers(adaptor)
    adaptor.objectives['seg'].temperature.requires_grad_(False)
    build_wrappers(adaptor)


def test_the_constructor_needs_a_model_of_parts():
    with pytest.raises(UserError, match='Conv2d has no parts'):
        build_wrappers(torch.nn.Conv2d(1, 1, 1), toy_optim_wrapper(rivals=False))


def test_the_config_is_not_changed_by_building():
    cfg = toy_adaptor(toy_pspnet(), adaptsegnet())
    kept = copy.deepcopy(cfg)
    from mmseg_da.registry import MODELS

    MODELS.build(cfg)
    assert cfg == kept


@pytest.mark.parametrize(
    ('views', 'groups'),
    [
        (dict(a='s', b='t'), [('a',), ('b',)]),
        (dict(a='s', b='s'), [('a', 'b')]),
        (dict(a='s', b='t', c='st'), [('a', 'b', 'c')]),
        (dict(a='s', b='t', c='m', d='tm'), [('a',), ('b', 'c', 'd')]),
        (dict(a='s', b='t', c='s', d='t'), [('a', 'c'), ('b', 'd')]),
        (dict(a='xy', b='z', c='yw', d='wz', e='q'), [('a', 'b', 'c', 'd'), ('e',)]),
        (dict(a=''), [('a',)]),
        (dict(a='s', b='', c='s'), [('a', 'c'), ('b',)]),
        ({}, []),
    ],
)
def test_objectives_that_share_a_view_are_together(views, groups):
    assert group_by_views({name: tuple(needed) for name, needed in views.items()}) == groups


def test_groups_are_the_connected_components_in_any_order():
    views = dict(a='s', b='t', c='m', d='tm', e='x', f='s')
    expected = {frozenset('af'), frozenset('bcd'), frozenset('e')}
    for order in permutations(views):
        groups = group_by_views({name: views[name] for name in order})
        assert {frozenset(group) for group in groups} == expected
        flat = [order.index(name) for group in groups for name in group]
        assert sorted(flat) == list(range(6))
        assert all(list(g) == sorted(g, key=order.index) for g in groups)
        assert [g[0] for g in groups] == sorted((g[0] for g in groups), key=order.index)


def test_source_only_does_not_prepare_target_images():
    alone, adapted = build_adaptor(dict(seg=SUPERVISION)), build_adaptor(adaptsegnet())
    assert set(alone.data_preprocessor(toy_batch(), training=True)) == {'source'}
    assert set(adapted.data_preprocessor(toy_batch(), training=True)) == {'source', 'target'}
