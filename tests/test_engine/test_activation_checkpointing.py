"""Activation checkpointing computes twice, and changes nothing else."""

import pytest
import torch
from checkpoint_helpers import differing, load
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing

from mmseg_da.engine import PartwiseOptimWrapperConstructor
from mmseg_da.engine.activation_checkpointing import checkpoint_activations, require_modules
from mmseg_da.engine.launch import build_runner
from mmseg_da.errors import UserError
from mmseg_da.registry import MODELS
from mmseg_da.testing import (
    counted_forwards,
    toy_adaptor,
    toy_alignment,
    toy_batch,
    toy_optim_wrapper,
    toy_pspnet,
)

NAMES = ['segmentor.backbone.layer3', 'segmentor.decode_head.bottleneck']


def build():
    torch.manual_seed(0)
    objectives = dict(seg=dict(type='SourceSupervision'), adv=toy_alignment())
    model = MODELS.build(toy_adaptor(toy_pspnet(), objectives))
    model.train()
    return model


def train(model, steps=3):
    cfg = toy_optim_wrapper()
    del cfg['constructor']
    wrappers = PartwiseOptimWrapperConstructor(cfg)(model)
    for step in range(steps):
        model.train_step(toy_batch(seed=step), wrappers)
    return model.state_dict()


@pytest.mark.stack
@pytest.mark.parametrize('after_mmengine', [False, True])
def test_weights_and_statistics_move_as_without(after_mmengine):
    model = build()
    if after_mmengine:
        turn_on_activation_checkpointing(model, NAMES)
    checkpoint_activations(model, NAMES)
    plain = build()
    assert differing(train(model), train(plain)) == []
    # forwards of the first batch norm within: two views, and none for their recomputation
    assert model.segmentor.backbone.layer3[0].bn1.num_batches_tracked == 6


def test_mmengine_alone_moves_statistics_twice():
    model = build()
    turn_on_activation_checkpointing(model, NAMES)
    moved = differing(train(model, 1), train(build(), 1))
    assert {path.rsplit('.', 1)[1] for path in moved} == {
        'running_mean', 'running_var', 'num_batches_tracked'
    }  # fmt: skip


def test_activations_are_computed_again_in_the_backward():
    model = build()
    checkpoint_activations(model, NAMES[:1])
    layer2, layer3 = model.segmentor.backbone.layer2, model.segmentor.backbone.layer3
    with counted_forwards(layer3[0]) as inside, counted_forwards(layer2[0]) as outside:
        train(model, 1)
    assert (inside.value, outside.value) == (4, 2)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('backbone.layer9', r"no module 'backbone\.layer9'.*segmentor\.backbone"),
        ('objectives', r"'objectives' is a ModuleDict.*objectives\.seg"),
    ],
)
def test_a_name_that_does_nothing_is_refused(name, message):
    with pytest.raises(UserError, match=message):
        require_modules(build(), [name])


@pytest.mark.stack
def test_the_runner_does_it_where_the_config_says_so(short_config, tmp_path):
    for folder, names in (('plain', None), ('saving', ['segmentor.backbone.layer3'])):
        options = {'activation_checkpointing': names} if names else {}
        build_runner(short_config(tmp_path / folder, **options)).train()
    plain, saving = (load(tmp_path / f / 'iter_2.pth') for f in ('plain', 'saving'))
    assert differing(plain['state_dict'], saving['state_dict']) == []


def test_the_runner_refuses_an_unknown_name_before_training(short_config, tmp_path):
    cfg = short_config(tmp_path, activation_checkpointing='segmentor.nothing')
    with pytest.raises(UserError, match=r"activation_checkpointing: .*'segmentor\.nothing'"):
        build_runner(cfg).train()
    assert not list(tmp_path.glob('*.pth'))
