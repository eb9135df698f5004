"""A stand-in for ``mmcv._ext``, so that mmseg 1.2.2 imports on an mmcv without compiled ops.

mmseg 1.2.2 imports ``mmcv.ops`` unguarded in four places, and ``mmcv.ops`` asks for ``_ext`` while
it is imported. Nothing is re-implemented: what needs no compiled code (``point_sample``) works, the
rest says what is missing when it is called. The onedl fork guards its imports and needs none of it.
"""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

from mmseg_da.compat import distributions
from mmseg_da.errors import UserError

OPT_OUT = 'MMSEG_DA_NO_SHIM'
_NAME = 'mmcv._ext'


class _Stub(types.ModuleType):
    """Answers for every compiled op with a function that says that it is missing."""

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError(
                f'the op {name!r} needs an mmcv with compiled ops, and this one has none. '
                'Choose a model without it, or install such an mmcv: '
                'pip install -U openmim "setuptools<82" && mim install "mmcv>=2.0.0,<2.2.0"'
            )

        return missing


def is_stub() -> bool:
    """Tell whether the stand-in is in place."""
    return isinstance(sys.modules.get(_NAME), _Stub)


def has_compiled_ops() -> bool:
    """Tell whether mmcv has compiled ops (which may still fail to load)."""
    return not is_stub() and _spec() is not None


def install() -> bool:
    """Put the stand-in in place if mmcv has no compiled ops and mmseg needs them to import.

    Returns:
        Whether the stand-in is in place afterwards.

    Raises:
        UserError: if there are compiled ops and they cannot be loaded with this torch.
    """
    if is_stub():
        return True
    if os.environ.get(OPT_OUT) == '1' or importlib.util.find_spec('mmcv') is None:
        return False
    if _spec() is not None:
        _require_loadable()
        return False
    if distributions.is_onedl('mmseg'):
        return False
    stub = _Stub(_NAME)
    # With a spec mmengine still sees that the ops are missing, and keeps off the deformable ones.
    stub.__spec__ = importlib.machinery.ModuleSpec(_NAME, None)
    sys.modules[_NAME] = stub
    warnings.warn(
        'mmcv has no compiled ops: models that use them fail when they are called, all others '
        f'work. {OPT_OUT}=1 turns this stand-in off.',
        UserWarning,
        stacklevel=3,
    )
    return True


def _spec() -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(_NAME)
    except (ModuleNotFoundError, ValueError):
        return None


def _require_loadable() -> None:
    import torch  # the extension links against torch's libraries, which this loads

    try:
        importlib.import_module(_NAME)
    except ImportError as error:
        found = distributions.owners('mmcv')
        listed = ' and '.join(f'{name} {version}' for name, version in found.items()) or 'mmcv'
        raise UserError(
            f'the compiled ops of {listed} do not fit torch {torch.__version__}: {error}\n'
            'They were built for another torch. Install the mmcv built for yours, or one without '
            f'compiled ops: pip uninstall -y {" ".join(found) or "mmcv"} && '
            f'pip install --no-cache-dir "{_without_ops(found)}"'
        ) from error


def _without_ops(found: dict[str, str]) -> str:
    extra = 'onedl' if any(name.startswith('onedl-') for name in found) else 'lite'
    return next(item for item in distributions.REQUIREMENTS[extra] if 'mmcv' in item)
