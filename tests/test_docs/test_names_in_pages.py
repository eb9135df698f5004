"""Configs, keys and values that the pages name are there: above all those of the migration table."""

import inspect
import re

import pytest
from page_blocks import PAGES, ROOT

from mmseg_da.engine.launch import load_config
from mmseg_da.models import HRDAEncoderDecoder
from mmseg_da.registry import MODELS

MIGRATE = ROOT / 'docs/howto/migrate.md'
THEIRS = {  # configs of the papers' repositories
    'configs/daformer/gta2cs_uda_warm_fdthings_rcs_croppl_a999_daformer_mitb5_s0.py',
    'configs/hrda/gtaHR2csHR_hrda.py',
    'configs/mic/gtaHR2csHR_mic_hrda.py',
}
OBJECTIVES = dict(
    mix='SelfTraining',
    fd='FeatureDistance',
    mask='MaskedConsistency',
    adv_aux='OutputAlignment',
    adv_decode='OutputAlignment',
)


def ours():
    """The second column of the tables of the page, row by row."""
    rows = [line.split('|') for line in MIGRATE.read_text().splitlines() if line.startswith('| `')]
    assert len(rows) > 70
    return [row[2] for row in rows]


def parameters(kind):
    """Names of all arguments, those of base classes included."""
    inits = [base.__init__ for base in kind.__mro__ if '__init__' in vars(base)]
    return {name for init in inits for name in inspect.signature(init).parameters}


def value_of(cfg, path):
    """A value of a config by its path; KeyError if it is not there."""
    for key in path.split('.'):
        cfg = cfg[key]
    return cfg


@pytest.mark.parametrize('page', PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_config_that_is_named_exists(page):
    named = set(re.findall(r'(?<![\w/])configs/[\w/]+\.py', page.read_text())) - THEIRS
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_options_of_objectives_are_theirs():
    named = [
        option for cell in ours() for option in re.findall(r'`(\w+)\.(\w+)(?:=([^`]+))?`', cell)
    ]
    named = [option for option in named if option[0] in OBJECTIVES]
    assert len(named) > 12
    cfg = load_config(str(ROOT / 'configs/mic_daformer_gta2cs.py'), None, None)
    for objective, option, value in named:
        kind = MODELS.get(OBJECTIVES[objective])
        assert option in parameters(kind), (objective, option)
        if not value or objective.startswith('adv') or value.startswith("'") or '[' in value:
            continue
        default = next(
            parameter.default
            for base in kind.__mro__
            for parameter in inspect.signature(base.__init__).parameters.values()
            if parameter.name == option
        )
        set_to = cfg.model.objectives[objective].get(option, default)
        assert float(set_to) == float(value) or option == 'loss_weight', (objective, option, set_to)


def test_options_of_two_resolutions_are_theirs():
    names = parameters(HRDAEncoderDecoder)
    for option in ('context_scale', 'detail_crop', 'multiple', 'detail_weight', 'overlap'):
        assert option in names
        assert any(f'{option}' in cell for cell in ours())


@pytest.mark.parametrize('config', ['daformer_gta2cs', 'adaptsegnet_gta2cs'])
def test_paths_into_a_config_lead_somewhere(config):
    cfg = load_config(str(ROOT / f'configs/{config}.py'), None, None)
    roots = ('train_dataloader', 'train_cfg', 'default_hooks', 'optim_wrapper', 'model')
    pattern = rf'`((?:{"|".join(roots)})(?:\.\w+)+)(?:=([\w.-]+))?`'
    paths = {found for cell in ours() for found in re.findall(pattern, cell)}
    optional = {'optim_wrapper.accumulative_counts', 'optim_wrapper.clip_grad'}
    only = {
        'optim_wrapper.discriminators.optimizer.lr': 'adaptsegnet_gta2cs',
        'optim_wrapper.segmentor.paramwise_cfg': 'daformer_gta2cs',
        'model.teacher': 'daformer_gta2cs',
        'train_dataloader.dataset.rare_classes': 'daformer_gta2cs',
    }
    checked = 0
    for path, _ in paths:
        if path not in optional and only.get(path, config) == config:
            assert value_of(cfg, path) is not None, path
            checked += 1
    assert checked > 5
