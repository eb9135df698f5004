"""The versions that mmseg_da was written for, and what to do about others."""

import importlib
from types import ModuleType

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from mmseg_da.compat import distributions
from mmseg_da.errors import UserError

UPSTREAM = {'mmengine': '>=0.10.7,<0.11', 'mmcv': '>=2.0.0,<2.2', 'mmseg': '>=1.2.2,<1.3'}
ONEDL = {'mmengine': '>=0.10.12,<0.11', 'mmcv': '>=2.3.6,<2.4', 'mmseg': '>=1.4.2,<1.5'}
TORCH = {'upstream': '>=2.1', 'onedl': '>=2.4'}

_PACKAGES = {
    'upstream': {'mmengine': 'mmengine', 'mmcv': 'mmcv-lite', 'mmseg': 'mmsegmentation'},
    'onedl': {
        'mmengine': 'onedl-mmengine',
        'mmcv': 'onedl-mmcv',
        'mmseg': 'onedl-mmsegmentation',
    },
}
_LIBRARIES = 'apt-get install -y libgl1 libglib2.0-0'


def family() -> str:
    """Return ``'onedl'`` or ``'upstream'``, by the distribution that owns mmseg."""
    return 'onedl' if distributions.is_onedl('mmseg') else 'upstream'


def require_versions(*names: str) -> None:
    """Check the packages of these import names, in this order, by importing them.

    Raises:
        UserError: if one is missing or outside of the supported range, with the command that
            mends it.
    """
    kind = family()
    ranges = {**(ONEDL if kind == 'onedl' else UPSTREAM), 'torch': TORCH[kind]}
    for name in names:
        _require_range(name, ranges[name], f'Run: {_command(name, kind)}')


def _require_range(name: str, wanted: str, fix: str) -> None:
    version = _import(name, fix).__version__
    # A local label such as +cpu says nothing about the range, and a nightly may be newer.
    if not SpecifierSet(wanted, prereleases=True).contains(Version(version).public):
        raise UserError(f'{name} {version} is not supported: mmseg_da needs {name}{wanted}. {fix}')


def _import(name: str, fix: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except AssertionError as error:  # how mmseg refuses an mmcv or mmengine
        raise UserError(f'mmseg refuses to be imported: {error} {fix}') from error
    except ModuleNotFoundError as error:
        if error.name == name:
            raise UserError(f'{name} is not installed. {fix}') from None
        raise UserError(
            f'{name} needs the module {error.name}. {_for_module(error.name)}'
        ) from None
    except ImportError as error:
        if 'lib' in str(error) and '.so' in str(error):
            raise UserError(f'{name} cannot be imported: {error}. Run: {_LIBRARIES}') from error
        raise UserError(f'{name} cannot be imported: {error}. {fix}') from error


def _for_module(module: str | None) -> str:
    if module in ('ftfy', 'regex'):
        return 'Run: pip install ftfy regex'
    top = (module or '').partition('.')[0]
    if top in distributions.OWNERS and distributions.owners(top):
        return distributions.remedy()
    extra = 'onedl' if family() == 'onedl' else 'lite'
    return f'Run: {distributions.install_command(extra)}'


def _command(name: str, kind: str) -> str:
    if name == 'torch':
        return f'pip install "torch{TORCH[kind]}"'
    if not distributions.owners('mmseg'):
        return distributions.install_command('lite')
    ranges = ONEDL if kind == 'onedl' else UPSTREAM
    package = _PACKAGES[kind][name]
    install = f'pip install "{package}{ranges[name]}"'
    others = [owner for owner in distributions.owners(name) if owner != package]
    # Another owner of the same folder has to go first, or both end up in it.
    return f'pip uninstall -y {" ".join(others)} && {install}' if others else install
