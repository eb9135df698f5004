"""Rules that keep the package readable, checked on its source: who imports whom, names, lengths."""

import ast
import re
import sys
from pathlib import Path

import mmseg.registry
import pytest
from mmengine.registry import Registry

import mmseg_da  # noqa: F401  (registers the classes)

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, CONFIGS = ROOT / 'mmseg_da', ROOT / 'configs'
SOURCES = sorted(PACKAGE.rglob('*.py'))
CONFIG_FILES = sorted(CONFIGS.rglob('*.py'))
LEAVES = [path for path in CONFIG_FILES if '_base_' not in path.parts]
MAX_LINES, MAX_BASES = 300, 3

# What each part of the package may import from the package, by the longest matching name.
SHARED = {'compat', 'errors', 'registry', 'version'}
BELOW_MODELS = {'functional', 'structures', *SHARED}
MAY_IMPORT = {
    'functional': {'functional'},
    'compat': {'compat', 'errors', 'version'},
    'errors': set(),
    'version': set(),
    'command': {'errors'},
    'registry': {'compat', 'errors'},
    'structures': {'functional', 'structures', *SHARED},
    'models.backbones': {'models.backbones', *BELOW_MODELS},
    'models.decode_heads': {'models.decode_heads', *BELOW_MODELS},
    'models.layers': BELOW_MODELS,
    'models.discriminators': {'models.discriminators', 'models.layers', *BELOW_MODELS},
    'models.translators': {
        *('models.translators', 'models.layers', 'models.phased', 'models.weights'),
        *('models.data_preprocessor', *BELOW_MODELS),
    },
    'models.objectives': {'models.objectives', 'models.discriminators', *BELOW_MODELS},
    'models': {'models', *BELOW_MODELS},
    'datasets': {'datasets', *SHARED},
    'evaluation': {'evaluation', 'datasets', 'models', *BELOW_MODELS},
    'visualization': {'visualization', 'datasets', 'models', *BELOW_MODELS},
    'new_config': {'new_config', 'engine', 'datasets', *SHARED},
    'doctor': {'doctor', 'engine', 'visualization', 'datasets', *SHARED},
    'report': {'report', 'engine', 'visualization', 'datasets', *SHARED},
    'engine': {'engine', 'evaluation', 'visualization', 'datasets', 'models', *BELOW_MODELS},
}
FREE = {'', 'check', 'testing'}  # the package itself, its report and its toys may import all


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_modules(source: str, module: str = '') -> list[str]:
    """Every module that the source of ``module`` imports, wherever in the file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                base = '.'.join([*module.split('.')[: -node.level], *filter(None, [base])])
            # `from mmseg_da import models` imports mmseg_da.models
            found += [f'{base}.{alias.name}' for alias in node.names] if '.' not in base else [base]
    return found


def is_within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f'{package}.') for package in packages)


def forbidden_imports(source: str, module: str) -> list[str]:
    """What the source of ``mmseg_da.<module>`` imports against the direction of the layers."""
    matching = [layer for layer in MAY_IMPORT if is_within(module, {layer})]
    assert matching, f'mmseg_da.{module} has no layer: add it to MAY_IMPORT'
    allowed = MAY_IMPORT[max(matching, key=len)]
    names = imported_modules(source, f'mmseg_da.{module}')
    outside = [name for name in names if name.split('.')[0] in ('tools', 'tests', 'benchmarks')]
    ours = [name.removeprefix('mmseg_da.') for name in names if name.startswith('mmseg_da.')]
    return outside + [name for name in ours if not is_within(name, allowed)]


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    return '.'.join(part for part in parts if part != '__init__')


def test_imports_point_down():
    wrong = {
        _relative(path): bad
        for path in SOURCES
        if _module(path).split('.')[0] not in FREE
        and (bad := forbidden_imports(path.read_text(), _module(path)))
    }
    assert not wrong


@pytest.mark.parametrize(
    ('module', 'source'),
    [
        ('datasets.gta', 'from mmseg_da.models import DomainAdaptor'),
        ('datasets.gta', 'from mmseg_da import engine'),
        ('models.objectives.base', 'import mmseg_da.models.adaptors'),
        ('models.objectives.base', 'def f():\n    from mmseg_da.engine import runner'),
        ('models.objectives.base', 'from ..adaptors import DomainAdaptor'),
        ('models.translators.generators', 'from mmseg_da.models.discriminators import patch'),
        ('models.phased', 'from mmseg_da.datasets import GTADataset'),
        ('structures.step', 'from mmseg_da.models.phased import Stage'),
        ('engine.runner', 'from tools.train import main'),
        ('functional.entropy', 'from mmseg_da.errors import UserError'),
    ],
)
def test_an_import_upwards_is_seen(module, source):
    assert forbidden_imports(source, module)


def test_functional_needs_torch_alone():
    allowed = {'torch', 'mmseg_da', *sys.stdlib_module_names}
    found = {
        name.split('.')[0]
        for path in (PACKAGE / 'functional').glob('*.py')
        for name in imported_modules(path.read_text())
    }
    assert 'torch' in found
    assert found <= allowed


def test_files_are_short():
    ours = ('tools', 'benchmarks', 'tests', 'projects')
    folders = (PACKAGE, CONFIGS, *(ROOT / name for name in ours))
    lengths = {
        _relative(path): len(path.read_text().splitlines())
        for folder in folders
        for path in folder.rglob('*.py')
    }
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


def _registered() -> dict[str, type]:
    registries = [each for each in vars(mmseg.registry).values() if isinstance(each, Registry)]
    return {
        name: kind
        for registry in registries
        for name, kind in registry.module_dict.items()
        if kind.__module__.startswith('mmseg_da')
    }


def test_modules_of_tests_have_names_of_their_own():
    """pytest imports each by its bare name, and refuses a second one."""
    names = [path.name for path in (ROOT / 'tests').rglob('*.py') if path.name != 'conftest.py']
    assert sorted(names) == sorted(set(names))


def test_every_registered_class_is_named_in_a_config_or_a_page():
    registered = _registered()
    assert {'DomainAdaptor', 'PhasedDDP', 'GTADataset', 'SourceTargetSampler'} <= set(registered)
    pages = [*CONFIG_FILES, *(ROOT / 'docs').rglob('*.md'), ROOT / 'README.md']
    words = {w for p in pages if p.is_file() for w in re.findall(r'\w+', p.read_text())}
    assert sorted(set(registered) - words) == []


@pytest.mark.parametrize('path', CONFIG_FILES, ids=_relative)
def test_configs_import_nothing_and_name_their_bases_first(path):
    text = path.read_text()
    tree = ast.parse(text)
    # mmengine 0.10.7 takes an import before `_base_` for another kind of config and stops.
    assert imported_modules(text) == []
    assigned = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    assert '_base_' not in assigned[1:]
    assert 'mmseg::' not in text  # needs pkg_resources, or installs packages by itself


def _bases(path: Path) -> list[Path]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == '_base_':
            value = ast.literal_eval(node.value)
            return [
                (path.parent / base).resolve() for base in ([value], value)[type(value) is list]
            ]
    return []


def _depth(path: Path) -> int:
    return max((1 + _depth(base) for base in _bases(path)), default=0)


@pytest.mark.parametrize('path', LEAVES, ids=_relative)
def test_a_config_has_few_generations_of_bases(path):
    assert all(base.is_file() for base in _bases(path))
    assert 1 <= _depth(path) <= MAX_BASES


@pytest.mark.parametrize('path', LEAVES, ids=_relative)
def test_config_names_follow_one_scheme(path):
    small = path.parent.name == 'small'
    # A folder of a method's name has its stages and the paper's segmentors.
    assert path.parent in (CONFIGS, CONFIGS / 'small', CONFIGS / 'cycada')
    # {method}[_{segmentor}]_{source}2{target}, {method}_{pair} for the small ones, and
    # {stage or segmentor}_{source}2{target} in the folder of a method
    # A training on labels of one domain: {segmentor}_source_{data}, {segmentor}_finetune_{data}.
    pair, plain = r'[a-z][a-z0-9_]*_[a-z]+2[a-z]+', r'[a-z][a-z0-9]*_(source|finetune)_[a-z]+'
    scheme = r'[a-z]\w*_[a-z]+(2[a-z]+)?' if small else f'{pair}|{plain}'
    assert re.fullmatch(scheme, path.stem)


def unsafe_calls(source: str) -> list[str]:
    """Calls that bind to one device or run what a file says."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in ('eval', 'exec'):
            found.append(node.func.id)
        if isinstance(node.func, ast.Attribute) and node.func.attr == 'cuda':
            found.append('cuda')
        found += [
            'weights_only'
            for keyword in node.keywords
            if keyword.arg == 'weights_only' and getattr(keyword.value, 'value', None) is not True
        ]
    return found


def test_no_call_binds_to_cuda_or_runs_what_a_file_says():
    assert unsafe_calls('x.cuda(); eval("1"); torch.load(f, weights_only=False)') == [
        'cuda',
        'eval',
        'weights_only',
    ]
    assert unsafe_calls('model.eval(); torch.load(f, weights_only=True)') == []
    found = {_relative(path): unsafe_calls(path.read_text()) for path in SOURCES}
    assert {name: calls for name, calls in found.items() if calls} == {}
