"""A weight by the iteration: in the losses, through a wrapper, and after a resume."""

import json
from types import SimpleNamespace

import pytest
from checkpoint_helpers import differing, load
from torch import nn

from mmseg_da.engine import LossWeightHook, launch
from mmseg_da.errors import UserError

pytestmark = pytest.mark.usefixtures('plainly_written')
WEIGHTS = {0: 0.0, 2: 0.5, 4: 2.0}


@pytest.fixture
def train(short_config, tmp_path):
    """Train with an entropy term and the hook; gives the losses by iteration."""

    def run(name, iterations, weights=WEIGHTS, objective='ent', **options):
        cfg = short_config(tmp_path / name, **options)
        cfg.model.objectives.update(
            adv_decode=None,
            ent=dict(type='TargetEntropy', loss_weight=1.0),
            ratio=dict(type='ClassPrior', loss_weight=0.1),  # its counts have to be resumed
        )
        cfg.optim_wrapper.pop('discriminators')
        cfg.train_cfg.update(max_iters=iterations, val_interval=100)
        cfg.default_hooks.checkpoint.interval = 3
        cfg.custom_hooks = [dict(type='LossWeightHook', objective=objective, weights=weights)]
        launch.train(cfg)
        rows = [
            json.loads(line)
            for path in sorted((tmp_path / name).glob('*/vis_data/scalars.json'))
            for line in path.read_text().splitlines()
        ]
        return {row['step']: row['ent.loss_ent'] for row in rows if 'ent.loss_ent' in row}

    return run


@pytest.mark.stack
def test_a_weight_holds_from_its_iteration_on_also_after_a_resume(train, tmp_path):
    losses = train('whole', 6)
    assert [losses[step] for step in (1, 2)] == [0.0, 0.0]
    assert all(0 < losses[step] <= 0.5 for step in (3, 4))
    assert all(losses[step] > 0.5 for step in (5, 6))

    train('parts', 3)
    again = train('parts', 6, resume=True)
    assert again == losses
    whole, parts = (load(tmp_path / name / 'iter_6.pth') for name in ('whole', 'parts'))
    for key in ('state_dict', 'optimizer'):
        assert differing(whole[key], parts[key]) == []
    assert whole['state_dict']['objectives.ratio.counts'].sum() > 6 * 2 * 96 * 192 / 2


def test_a_weight_changes_what_is_learnt(train, tmp_path):
    train('off', 3, {0: 0.0})
    train('on', 3, {0: 1.0})
    off, on = (load(tmp_path / name / 'iter_3.pth')['state_dict'] for name in ('off', 'on'))
    assert differing(off, on) != []


@pytest.mark.stack
def test_an_unknown_objective_is_told_and_leaves_nothing(train, tmp_path):
    with pytest.raises(
        UserError, match=r"model\.objectives has no 'entropy', only .'ent', 'ratio', 'seg'"
    ):
        train('none', 2, objective='entropy')
    assert not (tmp_path / 'none').exists()


@pytest.mark.parametrize(
    'weights',
    [None, {}, [1.0], {0: -1.0}, {-5: 1.0}, {0: 'much'}, {'begin': 1.0}, {0: float('nan')}],
)
def test_weights_that_are_none_are_told(weights):
    with pytest.raises(UserError, match=r'weights=.* must be a dict of weights by iteration'):
        LossWeightHook('ent', weights)


def stand_in(wrapped):
    inner = nn.Module()
    inner.objectives = dict(ent=SimpleNamespace(loss_weight=7.0))
    model = inner
    if wrapped:
        model = nn.Module()
        model.module = inner
    said = []
    return (
        SimpleNamespace(model=model, iter=0, logger=SimpleNamespace(info=said.append)),
        inner,
        said,
    )


@pytest.mark.parametrize('wrapped', [False, True], ids=['plain', 'ddp'])
def test_weights_by_iteration_as_the_command_line_gives_them(wrapped):
    runner, inner, said = stand_in(wrapped)
    hook = LossWeightHook('ent', {'10': '0.5', '3': 2})
    hook.before_train(runner)
    found = []
    for runner.iter in range(12):
        hook.before_train_iter(runner, runner.iter)
        found.append(inner.objectives['ent'].loss_weight)
    assert found == [7.0] * 3 + [2.0] * 7 + [0.5] * 2
    assert said == [
        'model.objectives.ent.loss_weight is 2 from iteration 4 on',
        'model.objectives.ent.loss_weight is 0.5 from iteration 11 on',
    ]
    hook.after_train(runner)
    assert inner.objectives['ent'].loss_weight == 7.0
