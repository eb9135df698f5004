"""Settings of ADVENT that cannot be: one message, nothing written."""

import pytest
from tool_helpers import ROOT, SHORT

MINENT = str(ROOT / 'configs/small/minent_toy.py')
ENTROPY, RATIO = 'model.objectives.ent_decode', 'model.objectives.ratio'


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ([f'{ENTROPY}.share=30'], 'TargetEntropy: share=30 must be in (0, 1]'),
        ([f'{ENTROPY}.share=some'], f'{MINENT}: '),
        ([f'{ENTROPY}.penalty=huber'], "penalty='huber' is none of [None, 'charbonnier']"),
        ([f'{ENTROPY}.head=aux'], "TargetEntropy: the segmentor has no head 'aux'"),
        ([f'{ENTROPY}.etta=2'], 'etta'),
        ([f'{RATIO}.type=ClassPrior', f'{RATIO}.mu=2'], 'ClassPrior: mu=2 must be in (0, 1]'),
        ([f'{RATIO}.type=ClassPrior', f'{RATIO}.prior=0.5,0.5'], 'prior has 2 shares'),
    ],
)
def test_a_wrong_setting_is_told(refused, options, said):
    assert said in refused('train.py', MINENT, '--cfg-options', *SHORT, *options)


@pytest.mark.parametrize(
    ('objective', 'weights', 'said'),
    [
        ('ent', '{0: 0.5}', "model.objectives has no 'ent', only ['ent_decode', 'seg']"),
        ('ent_decode', '{0: -0.5}', 'must be a dict of weights by iteration'),
        ('ent_decode', '0.5', 'must be a dict of weights by iteration'),
    ],
)
def test_a_wrong_weight_is_told(refused, tmp_path, objective, weights, said):
    (tmp_path / 'own.py').write_text(
        f"_base_ = '{MINENT}'\n"
        'custom_hooks = [\n'
        f"    dict(type='LossWeightHook', objective='{objective}', weights={weights})\n"
        ']\n'
    )
    assert said in refused('train.py', 'own.py', '--cfg-options', *SHORT)
