"""Run a script where mmseg_da cannot be imported: ``python -I without_us.py SCRIPT ARGS...``.

mmseg 1.2.2 imports compiled ops even where a model uses none. mmcv-lite has none, so functions that
are never called stand in for them here; an environment of a user has a compiled mmcv instead.
"""

import importlib.util
import runpy
import sys
import types


class NoAdaptation:
    """Says of mmseg_da what Python says where it is not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == 'mmseg_da':
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)


def stand_in() -> types.ModuleType:
    module = types.ModuleType('mmcv._ext')
    module.__spec__ = importlib.util.spec_from_loader('mmcv._ext', None)
    module.__getattr__ = lambda name: None if name.startswith('__') else print
    return module


def main() -> None:
    sys.meta_path.insert(0, NoAdaptation())
    if importlib.util.find_spec('mmcv._ext') is None:
        sys.modules['mmcv._ext'] = stand_in()
    del sys.argv[0]
    sys.path.insert(0, '')
    try:
        runpy.run_path(sys.argv[0], run_name='__main__')
    finally:
        assert not [name for name in sys.modules if name.partition('.')[0] == 'mmseg_da']


if __name__ == '__main__':
    main()
