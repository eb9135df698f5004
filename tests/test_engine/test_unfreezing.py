"""A backbone thaws on time, with its optimizer, and a resume does not notice."""

import pytest
import torch
from checkpoint_helpers import differing, load
from finetune_helpers import SOURCE_CLASSES, plain_config, trained

from mmseg_da.errors import UserError

pytestmark = pytest.mark.stack
STAGES = {0: 3, 2: 1, 4: -1}


def hook(stages):
    return dict(custom_hooks=[dict(type='UnfreezeHook', stages=stages)])


def frozen_in(snapshot, iteration):
    names = snapshot.trainable[-1]
    return {name.split('.')[1] for name in names - snapshot.trainable[iteration]}


def test_stages_thaw_in_their_iteration(toy_data, tmp_path):
    cfg = plain_config(toy_data, tmp_path, SOURCE_CLASSES, 5, **hook(STAGES))
    _, snapshot = trained(cfg)
    stem, first = {'stem'}, {'stem', 'layer1'}
    of = {
        0: first | {'layer2', 'layer3'},
        1: first | {'layer2', 'layer3'},
        2: first,
        3: first,
        4: set(),
    }
    assert {at: frozen_in(snapshot, at) for at in range(5)} == of
    for at, frozen in of.items():
        modes = {
            name.split('.')[1]: mode
            for name, mode in snapshot.modes[at].items()
            if name.startswith('backbone.') and name.endswith('bn1')
        }
        assert {name for name, mode in modes.items() if not mode} == frozen - stem, at
    (log,) = tmp_path.glob('*/*.log')
    text = log.read_text()
    assert [f'from iteration {at} on frozen_stages is {n}' in text for at, n in STAGES.items()]
    assert 'parameters train, 0 are frozen' in text


def test_what_is_frozen_does_not_move_and_what_thaws_does(toy_data, tmp_path):
    settings = {'default_hooks.checkpoint.interval': 2, 'optim_wrapper.optimizer.weight_decay': 0.1}
    cfg = plain_config(toy_data, tmp_path, SOURCE_CLASSES, 6, **settings, **hook(STAGES))
    _, snapshot = trained(cfg)
    states = [snapshot.weights] + [
        load(tmp_path / f'iter_{n}.pth')['state_dict'] for n in (2, 4, 6)
    ]
    for number, still in enumerate(
        (('stem', 'layer1', 'layer2', 'layer3'), ('stem', 'layer1'), ())
    ):
        one, other = states[number : number + 2]
        moved = {
            name.split('.')[1]
            for name in one
            if name.startswith('backbone.') and not torch.equal(one[name], other[name])
        }
        assert moved == {'stem', 'layer1', 'layer2', 'layer3', 'layer4'} - set(still)


def test_never_thawing_equals_frozen_stages_of_the_config(toy_data, tmp_path):
    one = plain_config(toy_data, tmp_path / 'one', SOURCE_CLASSES, 4, **hook({0: 2}))
    other = plain_config(
        toy_data, tmp_path / 'other', SOURCE_CLASSES, 4, **{'model.backbone.frozen_stages': 2}
    )
    trained(one)
    trained(other)
    states = [load(tmp_path / name / 'iter_4.pth')['state_dict'] for name in ('one', 'other')]
    assert differing(*states) == []


@pytest.mark.parametrize('stop', [2, 3])
def test_an_interrupted_training_goes_on_exactly(toy_data, tmp_path, stop):
    """At the boundary, and between two."""
    settings = {'default_hooks.checkpoint.interval': 1}
    trained(
        plain_config(toy_data, tmp_path / 'whole', SOURCE_CLASSES, 6, **settings, **hook(STAGES))
    )
    for length in (stop, 6):
        trained(
            plain_config(
                toy_data, tmp_path / 'parts', SOURCE_CLASSES, length,
                resume=length == 6, **settings, **hook(STAGES),
            )
        )  # fmt: skip
    one, other = (load(tmp_path / name / 'iter_6.pth') for name in ('whole', 'parts'))
    for key in ('state_dict', 'optimizer'):
        assert differing(one[key], other[key]) == []


def test_what_the_config_freezes_stays_frozen(toy_data, tmp_path):
    norm = {'model.backbone.norm_cfg': dict(type='BN', requires_grad=False)}
    cfg = plain_config(toy_data, tmp_path, SOURCE_CLASSES, 2, **norm, **hook({0: 1, 1: -1}))
    _, snapshot = trained(cfg)
    assert not any('bn' in name for name in snapshot.trainable[-1] if name.startswith('backbone'))
    assert any('layer1.0.conv1' in name for name in snapshot.trainable[-1])


@pytest.mark.parametrize(
    ('stages', 'said'),
    [
        ({}, 'has to be a dict of frozen_stages'),
        ({100: 1}, 'from 0 on'),
        ({0: -2}, r'\(-1 or more\)'),
        ({0: 1, -5: 2}, 'from 0 on'),
        ({0: '1'}, 'has to be a dict'),
        ({'soon': 1}, 'has to be a dict'),
        ([0, 1], 'has to be a dict'),
        ({0: 5}, 'ResNetV1c cannot freeze 5 stages'),
    ],
)
def test_stages_that_cannot_be(toy_data, tmp_path, stages, said):
    with pytest.raises(UserError, match=said):
        trained(plain_config(toy_data, tmp_path, SOURCE_CLASSES, **hook(stages)))


def test_iterations_may_be_strings_as_json_has_them(toy_data, tmp_path):
    cfg = plain_config(toy_data, tmp_path, SOURCE_CLASSES, 2, **hook({'0': 1, '1': -1}))
    assert frozen_in(trained(cfg)[1], 0) == {'stem', 'layer1'}


def test_a_backbone_that_is_frozen_by_the_config_is_refused(toy_data, tmp_path):
    settings = {'model.backbone.frozen_stages': 2} | hook(STAGES)
    with pytest.raises(UserError, match='which is 2 at the start: it has to be -1'):
        trained(plain_config(toy_data, tmp_path, SOURCE_CLASSES, **settings))


def norms(snapshot, part):
    """Modes of the batch norms of a part, in every iteration."""
    return {
        mode
        for modes in snapshot.modes
        for name, mode in modes.items()
        if name.startswith(part) and name.rpartition('.')[2].startswith('bn')
    }


@pytest.mark.parametrize('parts', [None, ['decode_head'], 'auxiliary_head'])
def test_heads_keep_their_statistics_and_train(toy_data, tmp_path, parts):
    hooks = dict(custom_hooks=[dict(type='NormEvalHook', parts=parts)])
    _, snapshot = trained(plain_config(toy_data, tmp_path, SOURCE_CLASSES, 2, **hooks))
    named = [parts] if isinstance(parts, str) else parts or ['decode_head', 'auxiliary_head']
    after = load(tmp_path / 'iter_2.pth')['state_dict']
    for part in ('backbone', 'decode_head', 'auxiliary_head'):
        assert norms(snapshot, part) == {part not in named}
        for name, value in after.items():
            if name.startswith(part) and 'running' in name:
                assert torch.equal(value, snapshot.weights[name]) == (part in named)
    for name in ('decode_head.bottleneck.bn.weight', 'auxiliary_head.convs.0.bn.weight'):
        assert not torch.equal(after[name], snapshot.weights[name])


@pytest.mark.parametrize(
    ('parts', 'said'),
    [
        (['head'], "no part 'head'; it has .*decode_head"),
        (['data_preprocessor'], 'no batch norm in data_preprocessor'),
    ],
)
def test_parts_that_cannot_be(toy_data, tmp_path, parts, said):
    hooks = dict(custom_hooks=[dict(type='NormEvalHook', parts=parts)])
    with pytest.raises(UserError, match=said):
        trained(plain_config(toy_data, tmp_path, SOURCE_CLASSES, **hooks))
