"""Settings of FDA that the train tool cannot use: one message, nothing written."""

import pytest
from tool_helpers import ROOT, SHORT

FDA = ROOT / 'configs/small/fda_toy.py'


@pytest.mark.parametrize(
    ('options', 'problem'),
    [
        (['model.translator.beta=0.7'], 'model.translator.beta is 0.7, but has to be a number in'),
        (['model.translator.window=round'], "model.translator.window is 'round'"),
        (['model.translator.share=0.1'], 'share'),
        (['model.translator.radius=48'], 'model.translator.radius is 48, but has to be below 48'),
        (
            ['model.translator.size_mode=same', 'model.data_preprocessor.target.size=[96,200]'],
            "size_mode='same', but source images are 96x192 and target images 96x200",
        ),
        (['custom_hooks.0.objective=entropy'], "model.objectives has no 'entropy'"),
    ],
)
def test_settings_that_cannot_be_are_told(refused, options, problem):
    assert problem in refused('train.py', FDA, '--cfg-options', *SHORT, *options)
