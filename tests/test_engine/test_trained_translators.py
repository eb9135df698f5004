"""Which generator a config and a checkpoint mean."""

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmseg_da.engine.trained_translators import fingerprint, load_translator
from mmseg_da.errors import UserError
from mmseg_da.models import FrozenTranslator
from mmseg_da.registry import MODELS
from mmseg_da.testing import toys

GENERATOR = dict(type='ResnetGenerator', blocks=1, channels=4)
LOOK = dict(type='DomainPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True)
CYCLE = dict(
    type='CycleTranslator',
    generator=GENERATOR,
    discriminator=dict(type='PatchDiscriminator', channels=4, layers=1),
    data_preprocessor=LOOK,
)
FROZEN = toys.toy_adaptor(
    toys.toy_pspnet(),
    dict(seg=dict(type='SourceSupervision')),
    translator=dict(type='FrozenTranslator', generator=GENERATOR, checkpoint='stage:translate'),
)
STAGED = dict(
    model=FROZEN,
    runner_type='StagedRunner',
    train_cfg=dict(max_iters=1),
    stages=dict(translate=dict(model=dict(CYCLE, _delete_=True)), segment=dict()),
)
CONFIGS = dict(cycle=dict(model=CYCLE), frozen=dict(model=FROZEN), staged=STAGED)


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (*CONFIGS, 'plain'):
        (tmp_path / f'{name}.py').touch()  # a Config looks for its file


def config(name, **changes):
    cfg = Config(CONFIGS[name], filename=f'{name}.py')
    cfg.merge_from_dict(changes)
    return cfg


@pytest.fixture
def networks():
    """What a training of the stage, or of the whole run, saves."""
    pair = MODELS.build(CYCLE)
    whole = MODELS.build(
        dict(FROZEN, translator=dict(type='FrozenTranslator', generator=GENERATOR))
    )
    for tensor in (*pair.parameters(), *whole.translator.parameters()):
        nn.init.normal_(tensor)
    return pair, whole


def save(network, path):
    torch.save(dict(state_dict=network.state_dict(), meta=dict(iter=1)), path)
    return str(path)


@pytest.mark.stack
@pytest.mark.parametrize('name', ['cycle', 'staged'])
@pytest.mark.parametrize('direction', [None, 'source_to_target', 'target_to_source'])
def test_a_checkpoint_of_both_generators(networks, tmp_path, name, direction):
    checkpoint = save(networks[0], tmp_path / 'x.pth')
    translator, used = load_translator(config(name), checkpoint, direction)
    assert used == direction or (direction is None and used == 'source_to_target')
    assert fingerprint(translator.generator) == fingerprint(networks[0].generators[used])
    assert not translator.training


@pytest.mark.stack
@pytest.mark.parametrize('name', ['frozen', 'staged'])
def test_a_checkpoint_of_the_whole_run(networks, tmp_path, name):
    checkpoint = save(networks[1], tmp_path / 'x.pth')
    translator, used = load_translator(config(name), checkpoint)
    assert used == 'source_to_target'
    assert fingerprint(translator) == fingerprint(networks[1].translator)
    with pytest.raises(UserError, match='holds the generator source_to_target alone, not target'):
        load_translator(config(name), checkpoint, 'target_to_source')


def test_the_direction_of_the_config_is_taken(networks, tmp_path):
    cfg = config('frozen', **{'model.translator.direction': 'target_to_source'})
    for network in networks:
        checkpoint = save(network, tmp_path / 'x.pth')
        assert load_translator(cfg, checkpoint)[1] == 'target_to_source'
    with pytest.raises(UserError, match='holds the generator target_to_source alone'):
        load_translator(cfg, checkpoint, 'source_to_target')


def test_the_scale_of_the_config_is_taken(networks, tmp_path):
    """Whichever checkpoint the weights come from: it says how large the generator sees things."""
    halved = {'model.translator.scale': 0.5}
    for name, network in (
        ('staged', networks[0]),
        ('staged', networks[1]),
        ('frozen', networks[1]),
    ):
        checkpoint = save(network, tmp_path / 'x.pth')
        assert load_translator(config(name), checkpoint)[0].scale == 1.0
        assert load_translator(config(name, **halved), checkpoint)[0].scale == 0.5
    alone = save(networks[0].generators['source_to_target'], tmp_path / 'x.pth')
    assert load_translator(config('cycle'), alone)[0].scale == 1.0
    with pytest.raises(UserError, match=r'model\.translator\.scale is 0, but has to be above 0'):
        load_translator(config('frozen', **{'model.translator.scale': 0}), alone)


def test_a_generator_alone(networks, tmp_path):
    generator = networks[0].generators['target_to_source']
    translator, _ = load_translator(config('cycle'), save(generator, tmp_path / 'x.pth'))
    assert fingerprint(translator.generator) == fingerprint(generator)


def test_a_fingerprint_tells_weights_apart():
    one, other = FrozenTranslator(GENERATOR), FrozenTranslator(GENERATOR)
    other.load_state_dict(one.state_dict())
    assert fingerprint(one) == fingerprint(other)
    with torch.no_grad():
        next(other.parameters())[0, 0, 0, 0] += 1e-6
    assert fingerprint(one) != fingerprint(other)


def test_configs_without_a_generator(networks, tmp_path):
    checkpoint = save(networks[0], tmp_path / 'x.pth')
    without = Config(dict(model=toys.toy_pspnet()), filename='plain.py')
    for cfg in (
        without,
        config('frozen', **{'model.translator': None}),
        Config(filename='plain.py'),
    ):
        with pytest.raises(UserError, match=r'\.py: no generator: neither its model'):
            load_translator(cfg, checkpoint)
    with pytest.raises(UserError, match=r'cycle.py: CycleTranslator has no generator=dict'):
        load_translator(config('cycle', **{'model.generator': 5}), checkpoint)
    with pytest.raises(UserError, match=r'cycle.py: .*Unet_'):
        load_translator(config('cycle', **{'model.generator.type': 'Unet_'}), checkpoint)


def test_checkpoints_without_this_generator(networks, tmp_path):
    path = tmp_path / 'x.pth'
    save(MODELS.build(toys.toy_pspnet()), path)
    with pytest.raises(UserError, match=r'x.pth: holds no generator; .* is it of another stage'):
        load_translator(config('cycle'), str(path))
    save(networks[0], path)
    with pytest.raises(UserError, match=r'x.pth: its generator is another network'):
        load_translator(config('cycle', **{'model.generator.channels': 8}), str(path))
    save(networks[1], path)
    with pytest.raises(UserError, match=r'the one generator of a model.translator, which cycle.py'):
        load_translator(config('cycle'), str(path))
    with pytest.raises(UserError, match=r'nowhere.pth does not exist'):
        load_translator(config('cycle'), 'nowhere.pth')
