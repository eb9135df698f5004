"""Checkpointed generators make the same update from less memory."""

import pytest
import torch
from builders import snapshot, state_gap
from cycle_builders import DISCRIMINATOR, GENERATOR, build_cycle_wrappers, build_translator
from measure import peak_bytes

from mmseg_da.engine.activation_checkpointing import checkpoint_activations, require_modules
from mmseg_da.testing import counted_forwards, toy_batch

UNET = dict(type='UnetGenerator', downs=3, channels=4)
WHOLE = [f'generators.{name}.model' for name in ('source_to_target', 'target_to_source')]
BLOCK = [f'{name}.10' for name in WHOLE]
SIZE = (64, 64)


def train(names, steps=2, **settings):
    model = build_translator(**settings).double()
    require_modules(model, names)
    checkpoint_activations(model, names)
    wrappers = build_cycle_wrappers(model)
    for seed in range(steps):
        torch.manual_seed(seed)
        model.train_step(toy_batch(2, SIZE, SIZE, seed=seed), wrappers)
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
        wrappers, batch = build_cycle_wrappers(model), toy_batch(2, SIZE, SIZE)
        model.train_step(batch, wrappers)
        found[bool(names)] = peak_bytes(lambda: model.train_step(batch, wrappers))  # noqa: B023
    assert found[True] < 0.75 * found[False]
