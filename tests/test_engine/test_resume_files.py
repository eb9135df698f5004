"""A resume needs its own checkpoint and no other file that the training started with."""

import pytest
import torch
from checkpoint_helpers import differing, load
from staged_helpers import assert_same, results, staged_config, stop_at

from mmseg_da.engine import launch
from mmseg_da.engine.launch import build_runner
from mmseg_da.errors import UserError
from mmseg_da.models import FrozenTranslator
from mmseg_da.registry import MODELS

GENERATOR = dict(type='ResnetGenerator', blocks=1, channels=4)

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures('plainly_written')]


def save(network, path):
    """A checkpoint with random weights, which no initialisation gives."""
    torch.manual_seed(3)
    state = {
        name: 0.1 * torch.randn_like(value) if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    torch.save(dict(state_dict=state), path)


def test_a_resume_needs_no_checkpoint_of_the_translator(short_config, tmp_path):
    file = tmp_path / 'generator.pth'
    translator = dict(type='FrozenTranslator', generator=GENERATOR, checkpoint=str(file))
    save(FrozenTranslator(GENERATOR).generator, file)

    def train(name, iterations, resume=False):
        cfg = short_config(tmp_path / name, resume=resume)
        cfg.model.translator = translator
        cfg.train_cfg.update(max_iters=iterations, val_interval=100)
        cfg.default_hooks.checkpoint.interval = 1
        build_runner(cfg).train()
        return load(tmp_path / name / f'iter_{iterations}.pth')

    whole = train('whole', 2)
    train('parts', 1)
    given = load(file)['state_dict']
    file.unlink()
    parts = train('parts', 2, resume=True)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(whole[key], parts[key]) == []
    assert all(
        torch.equal(parts['state_dict'][f'translator.generator.{name}'], value)
        for name, value in given.items()
    )
    with pytest.raises(UserError, match=r'generator\.pth'):
        train('other', 2, resume=True)  # which finds nothing to resume, and starts


def test_a_resumed_stage_needs_no_checkpoint_that_was_given(toy_data, tmp_path):
    file = tmp_path / 'source.pth'
    given = {
        'stage': 'translate',
        'stages.source.checkpoint': str(file),
        'default_hooks.checkpoint.interval': 1,
    }
    save(MODELS.build(staged_config(toy_data, tmp_path).model.segmentor), file)
    launch.train(staged_config(toy_data, tmp_path / 'whole', **given))
    interrupted = staged_config(toy_data, tmp_path / 'parts', **given, **stop_at('translate', 2))
    with pytest.raises(KeyboardInterrupt):
        launch.train(interrupted)
    file.unlink()
    launch.train(staged_config(toy_data, tmp_path / 'parts', resume=True, **given))
    one, other = (results(tmp_path / name, 2, ['translate']) for name in ('whole', 'parts'))
    assert_same(one, other)
    with pytest.raises(UserError, match=r'stages\.source\.checkpoint: .*source\.pth: no such file'):
        launch.train(staged_config(toy_data, tmp_path / 'new', resume=True, **given))
