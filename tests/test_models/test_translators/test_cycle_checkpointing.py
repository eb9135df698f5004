"""Checkpointed generators make the same update from less memory."""

from pathlib import Path

import pytest
import torch
from builders import snapshot, state_gap
from cycle_builders import DISCRIMINATOR, GENERATOR, build_cycle_wrappers, build_translator
from measure import peak_bytes

from mmseg_da.engine.activation_checkpointing import checkpoint_activations, require_modules
from mmseg_da.engine.launch import build_model, load_config
from mmseg_da.engine.stages import split
from mmseg_da.testing import counted_forwards, toy_batch

UNET = dict(type='UnetGenerator', downs=3, channels=4)
WHOLE = [f'generators.{name}.model' for name in ('source_to_target', 'target_to_source')]
BLOCK = [f'{name}.10' for name in WHOLE]
CONFIG = Path(__file__).resolve().parents[3] / 'configs' / 'small' / 'cycada_toy.py'


def train(names, steps=2, **settings):
    model = build_translator(**settings).double()
    require_modules(model, names)
    checkpoint_activations(model, names)
    wrappers = build_cycle_wrappers(model)
    for seed in range(steps):
        torch.manual_seed(seed)
        model.train_step(toy_batch(seed=seed), wrappers)
    return model


@pytest.mark.stack
@pytest.mark.parametrize('backward', ['stages', 'summed'])
@pytest.mark.parametrize(
    ('generator', 'names'),
    [(GENERATOR, WHOLE), (GENERATOR, BLOCK), (UNET, WHOLE)],
    ids=['whole', 'block', 'unet'],
)
def test_the_update_is_the_same(generator, names, backward):
    settings = dict(generator=generator, discriminator=DISCRIMINATOR)
    before = snapshot(build_translator(**settings).double().generators)
    plain = train([], backward=backward, **settings)
    saving = train(names, backward=backward, **settings)
    for part in ('generators', 'discriminators', 'pools'):
        assert state_gap(getattr(saving, part), getattr(plain, part)) <= 1e-12
    assert state_gap(saving.generators.state_dict(), before) > 1e-4


def test_a_checkpointed_generator_runs_again_in_the_backward():
    model = build_translator()
    checkpoint_activations(model, WHOLE)
    wrappers = build_cycle_wrappers(model)
    first_layers = [each.model[1] for each in model.generators.values()]
    with counted_forwards(first_layers[0]) as one, counted_forwards(first_layers[1]) as other:
        model.train_step(toy_batch(), wrappers)
    assert one.value + other.value == 2 * 6


def test_the_peak_is_lower():
    generator = dict(type='ResnetGenerator', blocks=3, channels=8)
    found = {}
    for names in ((), WHOLE):
        model = build_translator(generator=generator)
        checkpoint_activations(model, names)
        wrappers, batch = build_cycle_wrappers(model), toy_batch()
        model.train_step(batch, wrappers)
        found[bool(names)] = peak_bytes(lambda: model.train_step(batch, wrappers))  # noqa: B023
    assert found[True] < 0.75 * found[False]


def test_a_stage_of_the_config_names_them(tmp_path):
    option = {'stages.translate.activation_checkpointing': [*WHOLE, *BLOCK]}
    stages = {each.name: each for each in split(load_config(str(CONFIG), option, str(tmp_path)))}
    cfg = stages['translate'].cfg
    assert 'activation_checkpointing' not in stages['align'].cfg
    require_modules(build_model(cfg), cfg.activation_checkpointing)
    assert cfg.activation_checkpointing == option['stages.translate.activation_checkpointing']
