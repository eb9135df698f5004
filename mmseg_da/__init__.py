"""Domain adaptation for MMSegmentation: a plugin that registers into mmseg's own registries.

Importing it installs the compatibility shims, checks the versions around it and registers all
components, so that ``custom_imports=dict(imports=['mmseg_da'])`` in a config is all it takes.

Raises:
    UserError: if a package is missing or unsupported, with the command that mends it.
"""

import sys

from mmseg_da import compat, errors
from mmseg_da.version import __version__

__all__ = ['__version__']


def _asked_to_diagnose() -> bool:
    """Tell whether this is ``python -m mmseg_da.check``, which reports instead of failing."""
    return ('-m', 'mmseg_da.check') in zip(sys.orig_argv, sys.orig_argv[1:], strict=False)


if not _asked_to_diagnose():
    try:
        # In this order: the shims change mmengine and mmcv, and mmseg is imported on top of them.
        compat.require_versions('torch', 'mmengine', 'mmcv')
        compat.install()
        compat.require_versions('mmseg')
    except errors.UserError:
        errors.tell_uncaught()  # the tools cannot catch what happens while they import us
        raise
    from mmseg_da import datasets, engine, evaluation, models, visualization  # noqa: F401
