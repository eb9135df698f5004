"""The mean teacher: its formula, its buffers, its modes, its checkpoints."""

import copy

import pytest
import torch
from builders import SUPERVISION, adaptsegnet, build_adaptor, build_wrappers, snapshot, state_gap
from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.models.teacher import EmaTeacher
from mmseg_da.testing import toy_batch, toy_optim_wrapper, toy_pspnet, toy_segformer


def adaptor_with(teacher=None, objectives=None, segmentor=None):
    return build_adaptor(objectives or dict(seg=SUPERVISION), segmentor, teacher=teacher or {})


def small(**settings):
    torch.manual_seed(0)
    student = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)).double()
    return student, EmaTeacher(student, **settings)


@pytest.mark.parametrize('alpha', [0.99, 0.9])
def test_fifty_updates_follow_the_formula(alpha):
    student, teacher = small(alpha=alpha)
    expected = None
    for t in range(50):
        for parameter in student.parameters():
            parameter.data.normal_()
        now = [p.detach().clone() for p in student.parameters()]
        keep = min(1 - 1 / (t + 1), alpha)
        expected = [
            keep * mean + (1 - keep) * new for mean, new in zip(expected or now, now, strict=True)
        ]
        teacher.follow(student)
        if t == 0:
            assert all(map(torch.equal, teacher.net.parameters(), now))
    assert teacher.steps == 50
    for mine, mean in zip(teacher.net.parameters(), expected, strict=True):
        assert (mine - mean).abs().max() <= 1e-12


@pytest.mark.parametrize('policy', ['own', 'copied', 'averaged'])
def test_the_statistics_of_batch_norm_follow_the_policy(policy):
    student, teacher = small(alpha=0.9, batch_norm=policy)
    student[1].running_mean += 1.0
    teacher.follow(student)
    teacher.train()
    assert torch.equal(teacher.net[1].running_mean, student[1].running_mean)
    student[1].running_mean += 1.0
    teacher.follow(student)
    mean = dict(own=1.0, copied=2.0, averaged=1.5)[policy]  # a is a half in the second update
    assert torch.allclose(teacher.net[1].running_mean, torch.full((4,), mean).double())
    before = teacher.net[1].running_mean.clone()
    teacher.net(torch.randn(2, 3, 4, 4).double())
    assert torch.equal(teacher.net[1].running_mean, before) is (policy != 'own')


@pytest.mark.parametrize('dropout', [False, True])
def test_dropout_stays_off_although_the_loop_calls_train(dropout):
    segmentor = toy_segformer()
    segmentor['backbone']['drop_path_rate'] = 0.5
    segmentor['decode_head']['dropout_ratio'] = 0.5
    adaptor = adaptor_with(dict(dropout=dropout), segmentor=segmentor)
    adaptor.train()
    seen = {type(m).__name__: m.training for m in adaptor.teacher.net.modules()}
    assert seen['DropPath'] is seen['Dropout2d'] is dropout
    assert seen['BatchNorm2d'] is True
    assert {m.training for m in adaptor.segmentor.modules()} == {True}
    adaptor.eval()
    assert not any(m.training for m in adaptor.teacher.modules())


def test_it_moves_before_the_forwards_and_has_no_gradient():
    adaptor = adaptor_with(dict(alpha=0.999))
    wrappers, first = build_wrappers(adaptor), snapshot(adaptor.segmentor)
    adaptor.train_step(toy_batch(), wrappers)
    for name, value in adaptor.teacher.net.named_parameters():
        assert torch.equal(value, first[name])
        assert not value.requires_grad
        assert value.grad is None
    second = snapshot(adaptor.segmentor)
    adaptor.train_step(toy_batch(seed=1), wrappers)
    for name, value in adaptor.teacher.net.named_parameters():
        torch.testing.assert_close(value, (first[name] + second[name]) / 2)


def test_accumulated_batches_move_it_once():
    adaptor = adaptor_with(dict(alpha=0.9), adaptsegnet())
    wrappers = build_wrappers(adaptor, toy_optim_wrapper(accumulative_counts=2))
    seen = []
    for seed in range(5):
        adaptor.train_step(toy_batch(seed=seed), wrappers)
        seen.append(int(adaptor.teacher.steps))
    assert seen == [1, 1, 2, 2, 3]


def test_parts_and_optimizers_do_without_it():
    adaptor = adaptor_with()
    assert list(adaptor.parts()) == ['segmentor']
    ids = {id(p) for p in adaptor.teacher.parameters()}
    groups = build_wrappers(adaptor)['segmentor'].optimizer.param_groups
    assert not ids & {id(p) for group in groups for p in group['params']}


def test_checkpoints_of_plain_segmentors_and_of_adaptors_without_one_fill_both():
    source = build_adaptor(dict(seg=SUPERVISION), seed=1)
    for state in (source.segmentor.state_dict(), source.state_dict()):
        adaptor = adaptor_with()
        adaptor.teacher.steps += 7
        adaptor.load_state_dict(copy.deepcopy(dict(state)))
        assert state_gap(adaptor.segmentor, source.segmentor) == 0
        assert state_gap(adaptor.teacher.net, source.segmentor) == 0
        assert adaptor.teacher.steps == 0


def test_a_resume_goes_on_exactly():
    whole = adaptor_with(dict(alpha=0.9))
    wrappers = build_wrappers(whole)
    for seed in range(3):
        whole.train_step(toy_batch(seed=seed), wrappers)
    resumed = adaptor_with(dict(alpha=0.9))
    resumed.load_state_dict(whole.state_dict())
    again = build_wrappers(resumed)
    again.load_state_dict(copy.deepcopy(wrappers.state_dict()))
    for adaptor, own in ((whole, wrappers), (resumed, again)):
        for seed in range(3, 6):
            adaptor.train_step(toy_batch(seed=seed), own)
    assert state_gap(whole, resumed) == 0
    assert whole.teacher.steps == 6


@pytest.mark.parametrize('predicts', [False, True])
def test_student_or_teacher_predicts(predicts):
    adaptor = adaptor_with(dict(predicts=predicts)).eval()
    other = build_adaptor(dict(seg=SUPERVISION), toy_pspnet(), seed=5).segmentor
    adaptor.teacher.net.load_state_dict(other.state_dict())
    images = torch.randn(1, 3, 32, 32)
    expected = (adaptor.teacher.net if predicts else adaptor.segmentor)(images, mode='tensor')
    assert torch.equal(adaptor(images, mode='tensor'), expected)


@pytest.mark.parametrize(
    ('teacher', 'said'),
    [
        (dict(alpha=1.0), r'model.teacher.alpha is 1.0, but has to be in \[0, 1\)'),
        (dict(alpha='much'), 'model.teacher.alpha'),
        (dict(batch_norm='sync'), "batch_norm is 'sync', none of"),
        (dict(dropout=0.1), 'model.teacher.dropout is 0.1'),
        (dict(momentum=0.1), "model.teacher has no 'momentum'"),
    ],
)
def test_wrong_settings_are_told(teacher, said):
    with pytest.raises(UserError, match=said):
        adaptor_with(teacher)
