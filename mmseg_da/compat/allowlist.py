"""What a checkpoint may hold beyond tensors and plain values, and how it is rebuilt.

A checkpoint of mmengine's Runner pickles its message hub: ``HistoryBuffer`` objects, their
statistics methods (as ``getattr(HistoryBuffer, 'mean')``) and NumPy arrays. Allowing those classes
themselves would hand a hostile file more than it needs: ``numpy.ndarray`` called on a buffer can
forge object pointers, ``getattr`` reaches anything, and ``HistoryBuffer.__setstate__`` writes into
a table that the whole process shares. So none of them is ever on the unpickler's stack. Their
names lead to inert stand-ins that only keep what they are given, and :func:`thaw` turns these into
real arrays and buffers afterwards, checking every field.
"""

import pickle
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

_PLAIN_DTYPE = re.compile(r'[<>|=]?(b1|[iufc](1|2|4|8|16)|[SU]\d{1,6})')
_STATISTICS = ('min', 'max', 'current', 'mean')


def _refuse(what: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f'Unsupported value: {what}')


class DTypeState:
    """Stands in for ``numpy.dtype``: numbers, booleans and fixed-length text only."""

    def __init__(self, spec: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(spec, str) or not _PLAIN_DTYPE.fullmatch(spec):
            raise _refuse(f'numpy.dtype({spec!r})')
        self.value = np.dtype(spec)

    def __setstate__(self, state: tuple) -> None:
        # (version, byte order, subdtype, names, fields, item size, alignment, flags, ...): only the
        # byte order is taken; item size and flags could make NumPy read bytes as pointers.
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ('<', '>', '|', '='):
            raise _refuse('a state of numpy.dtype')
        if any(part is not None for part in state[2:5]):
            raise _refuse('a structured numpy.dtype')
        self.value = self.value.newbyteorder(state[1])


class ArrayState:
    """Stands in for ``numpy.ndarray``."""

    # On the class: an unpickler may make an instance without calling ``__init__``.
    _value: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, DTypeState) or not isinstance(raw, bytes | bytearray):
            raise _refuse('a numpy.ndarray of objects')
        order = 'F' if fortran else 'C'
        flat = _from_bytes(bytes(raw), dtype.value)
        self._value = flat.reshape(shape, order=order).copy(order=order)

    def thaw(self) -> np.ndarray:
        if self._value is None:
            raise _refuse('a numpy.ndarray without content')
        return self._value


class HistoryBufferState:
    """Stands in for ``mmengine.logging.HistoryBuffer``."""

    _state: dict | None = None
    _value: Any = None

    def __setstate__(self, state: dict) -> None:
        if not isinstance(state, dict):
            raise _refuse('a state of HistoryBuffer')
        self._state = state

    def thaw(self) -> Any:
        if self._state is None:
            raise _refuse('a HistoryBuffer without content')
        if self._value is None:
            from mmengine.logging import HistoryBuffer

            self._value = HistoryBuffer(max_length=int(self._state['max_length']))
            # Set as they are: given to the constructor they would become lists and back.
            self._value._log_history = self._history('_log_history')
            self._value._count_history = self._history('_count_history')
        return self._value

    def _history(self, name: str) -> np.ndarray:
        history = self._state[name]
        if not isinstance(history, ArrayState):
            raise _refuse(f'HistoryBuffer.{name}')
        return history.thaw()


def _from_bytes(raw: bytes, dtype: np.dtype) -> np.ndarray:
    if dtype.itemsize == 0:
        return np.zeros(1, dtype)
    return np.frombuffer(raw, dtype)


def _reconstruct(kind: Any, shape: Any, typecode: Any) -> ArrayState:
    """Stand in for NumPy's ``_reconstruct``, which makes the empty array that is filled later."""
    if kind is not ArrayState:
        raise _refuse('numpy _reconstruct of another class')
    return ArrayState()


def _scalar(dtype: Any, raw: Any) -> np.generic:
    """Stand in for NumPy's ``scalar``."""
    if not isinstance(dtype, DTypeState) or not isinstance(raw, bytes):
        raise _refuse('a numpy scalar of an object')
    (value,) = _from_bytes(raw, dtype.value)
    return value


def _restricted_getattr(owner: Any, name: Any) -> str:
    """Stand in for ``getattr``: it knows the statistics of HistoryBuffer and nothing else.

    It returns a name, not the method: every HistoryBuffer registers its statistics anew.
    """
    if owner is not HistoryBufferState or not isinstance(name, str) or name not in _STATISTICS:
        raise _refuse(f'getattr(..., {name!r})')
    return f'HistoryBuffer.{name}'


def _no_bytes() -> bytes:
    """Stand in for ``bytes``, which protocol 2 calls for those of an empty array."""
    return b''


def _encode(text: Any, encoding: Any) -> bytes:
    """Stand in for ``_codecs.encode``, by which protocol 2 writes bytes (torch 2.1 has no such)."""
    if not isinstance(text, str) or encoding != 'latin1':
        raise _refuse(f'_codecs.encode(..., {encoding!r})')
    return text.encode('latin1')


# NumPy moved numpy.core to numpy._core in 2.0; each major version writes its own name.
ALLOWED: dict[str, Callable] = {
    'mmengine.logging.history_buffer.HistoryBuffer': HistoryBufferState,
    'numpy.ndarray': ArrayState,
    'numpy.dtype': DTypeState,
    'numpy.core.multiarray._reconstruct': _reconstruct,
    'numpy._core.multiarray._reconstruct': _reconstruct,
    'numpy.core.multiarray.scalar': _scalar,
    'numpy._core.multiarray.scalar': _scalar,
    'builtins.getattr': _restricted_getattr,
    'builtins.bytes': _no_bytes,
    '_codecs.encode': _encode,
}


def thaw(value: Any) -> Any:
    """Replace the stand-ins inside ``value`` by what they stand for.

    Dicts and lists are changed in place, so that shared ones stay shared.

    Raises:
        pickle.UnpicklingError: if a stand-in was left empty or filled with something odd.
    """
    if isinstance(value, ArrayState | HistoryBufferState):
        return value.thaw()
    if isinstance(value, DTypeState):
        return value.value
    if type(value) in (dict, OrderedDict, Counter):
        for key, item in value.items():
            value[key] = thaw(item)
    elif type(value) is list:
        value[:] = [thaw(item) for item in value]
    elif type(value) is tuple:
        return tuple(thaw(item) for item in value)
    elif any(value is item for item in ALLOWED.values()):
        raise _refuse('a bare class or function')
    return value
