"""What makes one code base run on both families of packages and on every supported torch."""

import importlib.util

from mmseg_da.compat import distributions, ops_stub
from mmseg_da.compat.versions import require_versions

__all__ = ['active_shims', 'install', 'require_versions']

_ACTIVE: list[str] = []


def install() -> None:
    """Put every shim in place; calling it again changes nothing.

    Raises:
        UserError: if compiled ops are there but do not fit the installed torch.
        ImportError: if mmengine is installed but cannot be imported.
    """
    if _ACTIVE:
        return
    distributions.warn_double_installs()
    if ops_stub.install():
        _ACTIVE.append('stand-in for mmcv._ext')
    if importlib.util.find_spec('torch') and importlib.util.find_spec('mmengine'):
        # Imported here: it needs torch, and `mmseg_da.check` has to run without.
        from mmseg_da.compat import checkpoint

        checkpoint.install()
        _ACTIVE.append('allow-list checkpoint loader')


def active_shims() -> list[str]:
    """Return what :func:`install` put in place, in words."""
    return list(_ACTIVE)
