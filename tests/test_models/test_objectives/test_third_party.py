"""An objective from outside: one class and one config, with and without a rival."""

from collections.abc import Iterator

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers, snapshot, state_gap, train
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.functional import SOURCE, TARGET, domain_loss
from mmseg_da.models import Objective
from mmseg_da.registry import MODELS
from mmseg_da.testing import counted_forwards, toy_alignment, toy_batch, toy_optim_wrapper

SGD = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))


def covariance(features: Tensor) -> Tensor:
    flat = features.transpose(0, 1).flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return flat @ flat.T / flat.shape[1]


class CoralAlignment(Objective):
    """Match the covariance of deep features across domains (Sun & Saenko, 2016)."""

    def losses(self, step):
        gap = covariance(step.source.dense.feats[-1]) - covariance(step.target.dense.feats[-1])
        return dict(loss_coral=self.loss_weight * gap.square().mean())


class MeanAlignment(Objective):
    """A rival of one's own, on the mean of the deep features."""

    views = ('target',)
    rival_sees_feats = True

    def attach(self, segmentor):
        self.discriminator = nn.Linear(32, 1)

    def judge(self, dense, looks_like):
        return domain_loss(self.discriminator(dense.feats[-1].mean((2, 3))), looks_like)

    def losses(self, step):
        return dict(loss_mean=self.loss_weight * self.judge(step.target.dense, SOURCE))

    def discriminator_losses(self, step):
        return dict(
            loss_source=self.judge(step.source.detached, SOURCE),
            loss_target=self.judge(step.target.detached, TARGET),
        )


class LearnedScale(CoralAlignment):
    """Has a weight that is no part of a discriminator."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))


class Undeclared(CoralAlignment):
    """Uses two views, declares one."""

    views = ('source',)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    added = (CoralAlignment, MeanAlignment, LearnedScale, Undeclared)
    for kind in added:
        MODELS.register_module(module=kind)
    yield
    for kind in added:
        MODELS.module_dict.pop(kind.__name__)


@pytest.mark.stack
@pytest.mark.parametrize('backward', ['stages', 'summed'])
def test_an_objective_trains_with_an_ordinary_optimizer(backward):
    coral = dict(type='CoralAlignment', loss_weight=0.1)
    adaptor = build_adaptor(dict(seg=SUPERVISION, coral=coral), backward=backward)
    assert list(adaptor.parts()) == ['segmentor']
    before = snapshot(adaptor)
    with counted_forwards(adaptor.segmentor.backbone) as count:
        (logs,) = train(adaptor, build_wrappers(adaptor, SGD))
    assert count.value == 2
    assert logs['coral.loss_coral'] > 0
    assert state_gap(adaptor, before) > 1e-4


def test_an_objective_does_what_it_says():
    adaptor = build_adaptor(dict(coral=dict(type='CoralAlignment')))
    wrapper = build_wrappers(adaptor, SGD)
    logs = [adaptor.train_step(toy_batch(), wrapper) for _ in range(10)]
    assert logs[-1]['coral.loss_coral'] < 0.5 * logs[0]['coral.loss_coral']


def test_an_objective_combines_with_adaptsegnet():
    objectives = dict(
        seg=SUPERVISION, coral=dict(type='CoralAlignment', loss_weight=0.1), adv=toy_alignment()
    )
    runs = {}
    for backward in ('stages', 'summed'):
        adaptor = build_adaptor(objectives, backward=backward).double()
        with counted_forwards(adaptor.segmentor.backbone) as count:
            train(adaptor, build_wrappers(adaptor), steps=2)
        assert count.value == 4  # coral shares each view with another objective
        assert len(adaptor.phases()[0].stages) == 1
        runs[backward] = adaptor
    assert state_gap(runs['stages'], runs['summed']) <= 1e-12


def test_a_rival_of_ones_own_is_trained_by_an_optimizer_of_its_own():
    adaptor = build_adaptor(dict(seg=SUPERVISION, mean=dict(type='MeanAlignment')))
    assert list(adaptor.parts()) == ['segmentor', 'discriminators']
    wrappers = build_wrappers(adaptor)
    ours = {id(p) for g in wrappers['discriminators'].optimizer.param_groups for p in g['params']}
    rival = adaptor.objectives['mean'].discriminator
    assert ours == {id(p) for p in rival.parameters()}
    before = snapshot(rival)
    (logs,) = train(adaptor, wrappers)
    assert state_gap(rival, before) > 1e-4
    assert {'mean.loss_mean', 'mean.loss_source', 'mean.loss_target'} <= set(logs)


def test_a_rival_sees_the_features_of_before_the_update():
    adaptor = build_adaptor(dict(seg=SUPERVISION, mean=dict(type='MeanAlignment')))
    judged = []
    adaptor.objectives['mean'].discriminator.register_forward_pre_hook(
        lambda _, inputs: judged.append(inputs[0].detach().clone())
    )
    train(adaptor, build_wrappers(adaptor))
    fooling, _, target = judged
    assert torch.equal(fooling, target)


def test_a_weight_without_optimizer_is_named():
    adaptor = build_adaptor(dict(seg=SUPERVISION, scale=dict(type='LearnedScale')))
    with pytest.raises(UserError, match=r'no part covers objectives\.scale\.scale'):
        build_wrappers(adaptor, toy_optim_wrapper(rivals=False))


def test_a_view_that_is_used_must_be_declared():
    adaptor = build_adaptor(dict(undeclared=dict(type='Undeclared')))
    with pytest.raises(RuntimeError, match='`views`'):
        train(adaptor, build_wrappers(adaptor))
