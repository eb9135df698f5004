"""The training step: how often networks run, what is frozen, what is logged."""

import copy

import pytest
import torch
from builders import (
    SUPERVISION,
    adaptsegnet,
    build_adaptor,
    build_wrappers,
    snapshot,
    state_gap,
    train,
)

from mmseg_da.registry import MODELS
from mmseg_da.testing import counted_forwards, toy_batch, toy_optim_wrapper, toy_pspnet

BACKWARDS = pytest.mark.parametrize('backward', ['stages', 'summed'])


@BACKWARDS
def test_source_only_runs_the_backbone_once(backward):
    adaptor = build_adaptor(dict(seg=SUPERVISION), backward=backward)
    with counted_forwards(adaptor.segmentor.backbone) as count:
        train(adaptor, build_wrappers(adaptor), steps=3)
    assert count.value == 3


@BACKWARDS
def test_adaptsegnet_runs_the_backbone_twice_and_each_rival_three_times(backward):
    adaptor = build_adaptor(adaptsegnet(), backward=backward)
    rivals = [adaptor.objectives[name].discriminator for name in ('adv_aux', 'adv_decode')]
    with (
        counted_forwards(adaptor.segmentor.backbone) as backbone,
        counted_forwards(adaptor.segmentor.decode_head) as head,
        counted_forwards(rivals[0]) as aux,
        counted_forwards(rivals[1]) as decode,
    ):
        train(adaptor, build_wrappers(adaptor))
    assert (backbone.value, head.value, aux.value, decode.value) == (2, 2, 3, 3)


@pytest.mark.stack
def test_source_only_equals_plain_mmseg_training():
    adaptor = build_adaptor(dict(seg=SUPERVISION))
    plain = copy.deepcopy(adaptor.segmentor)
    plain.data_preprocessor = MODELS.build(
        dict(
            type='SegDataPreProcessor',
            mean=[128.0, 112.0, 96.0],
            std=[64.0, 64.0, 32.0],
            bgr_to_rgb=True,
            size=(64, 64),
        )
    )
    wrappers, plain_cfg = build_wrappers(adaptor), toy_optim_wrapper()['segmentor']
    plain_wrapper = build_wrappers(plain, dict(type='OptimWrapper', **plain_cfg))
    for step in range(3):
        ours = adaptor.train_step(toy_batch(seed=step), wrappers)
        theirs = plain.train_step(toy_batch(seed=step)['source'], plain_wrapper)
        assert ours['segmentor.loss'] == theirs['loss']
        for key in ('decode.loss_ce', 'decode.acc_seg', 'aux.loss_ce', 'aux.acc_seg'):
            assert ours[f'seg.{key}'] == theirs[key]
    assert state_gap(adaptor.segmentor, plain) == 0.0


def test_source_only_does_not_see_the_target():
    states = []
    for seed in (1, 2):
        adaptor = build_adaptor(dict(seg=SUPERVISION))
        batch = toy_batch() | dict(target=toy_batch(seed=seed)['target'])
        adaptor.train_step(batch, build_wrappers(adaptor))
        states.append(adaptor)
    assert state_gap(*states) == 0.0


def test_only_thaws_exactly_what_was_trainable():
    segmentor = toy_pspnet()
    segmentor['backbone']['norm_cfg'] = dict(type='BN', requires_grad=False)
    adaptor = build_adaptor(adaptsegnet(), segmentor)
    rival = adaptor.objectives['adv_aux'].discriminator
    rival[0].weight.requires_grad_(False)
    before = {name: p.requires_grad for name, p in adaptor.named_parameters()}
    assert not all(before.values())
    with adaptor.only('segmentor'):
        during = {name: p.requires_grad for name, p in adaptor.named_parameters()}
        assert not any(value for name, value in during.items() if name.startswith('objectives'))
        mine = [name for name in during if name.startswith('segmentor')]
        assert all(during[name] == before[name] for name in mine)
    assert {name: p.requires_grad for name, p in adaptor.named_parameters()} == before
    frozen = {name: p.clone() for name, p in adaptor.named_parameters() if not before[name]}
    train(adaptor, build_wrappers(adaptor), steps=2)
    assert {name: p.requires_grad for name, p in adaptor.named_parameters()} == before
    assert all(
        torch.equal(p, frozen[name]) for name, p in adaptor.named_parameters() if name in frozen
    )


def test_only_thaws_after_an_error():
    adaptor = build_adaptor(adaptsegnet())
    with pytest.raises(KeyError), adaptor.only('discriminators'):
        raise KeyError
    assert all(p.requires_grad for p in adaptor.parameters())


@BACKWARDS
def test_the_log_holds_every_term_and_the_sum_of_each_phase(backward):
    adaptor = build_adaptor(adaptsegnet(), backward=backward)
    (logs,) = train(adaptor, build_wrappers(adaptor))
    terms = {
        'segmentor.loss': (
            'seg.decode.loss_ce',
            'seg.aux.loss_ce',
            'adv_aux.loss_fool',
            'adv_decode.loss_fool',
        ),
        'discriminators.loss': tuple(
            f'adv_{head}.loss_{domain}'
            for head in ('aux', 'decode')
            for domain in ('source', 'target')
        ),
    }
    for total, parts in terms.items():
        assert logs[total].item() == pytest.approx(
            sum(logs[part].item() for part in parts), rel=1e-6
        )
    accuracies = {'seg.decode.acc_seg', 'seg.aux.acc_seg'} | {
        part.replace('loss', 'accuracy') for part in terms['discriminators.loss']
    }
    assert (
        set(logs) == {*terms, *terms['segmentor.loss'], *terms['discriminators.loss']} | accuracies
    )
    assert not any(value.requires_grad for value in logs.values())


def test_no_gradient_is_left_after_a_step():
    adaptor = build_adaptor(adaptsegnet())
    train(adaptor, build_wrappers(adaptor))
    assert all(p.grad is None for p in adaptor.parameters())


def test_several_parts_refuse_a_single_optimizer():
    adaptor = build_adaptor(adaptsegnet())
    wrapper = build_wrappers(adaptor, dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)))
    with pytest.raises(ValueError, match='PartwiseOptimWrapperConstructor'):
        train(adaptor, wrapper)


def test_one_part_takes_an_ordinary_optimizer():
    adaptor = build_adaptor(dict(seg=SUPERVISION))
    before = snapshot(adaptor)
    wrapper = build_wrappers(adaptor, dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)))
    train(adaptor, wrapper)
    assert state_gap(adaptor, before) > 1e-4


def test_a_single_loss_is_refused_with_the_wrapper_to_set():
    adaptor = build_adaptor(dict(seg=SUPERVISION))
    with pytest.raises(RuntimeError, match='PhasedDDP'):
        adaptor(torch.zeros(1, 3, 64, 64), mode='loss')


def test_bfloat16_trains_every_part():
    adaptor = build_adaptor(adaptsegnet(of='entropy'))
    before = snapshot(adaptor)
    wrappers = build_wrappers(adaptor)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        logs = train(adaptor, wrappers, steps=2)
    assert all(torch.isfinite(value).all() for each in logs for value in each.values())
    assert all(value.isfinite().all() for value in adaptor.state_dict().values())
    still = [key for key, value in adaptor.named_parameters() if torch.equal(value, before[key])]
    assert still == []


def test_a_stage_without_a_loss_names_its_objectives(monkeypatch):
    adaptor = build_adaptor(dict(seg=SUPERVISION))
    silent = dict(score=torch.ones(1))
    monkeypatch.setattr(adaptor.objectives['seg'], 'losses', lambda step: silent)
    with pytest.raises(ValueError, match=r"\('seg',\) gave no loss in phase segmentor"):
        train(adaptor, build_wrappers(adaptor, dict(optimizer=dict(type='SGD', lr=0.1))))
