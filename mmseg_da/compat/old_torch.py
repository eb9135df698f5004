"""An allow-list unpickler for torch 2.1 to 2.5, whose own cannot be told of further names.

``torch.load(weights_only=True)`` of these versions reads through the module that it finds as
``torch.serialization._weights_only_unpickler``. :func:`extended_unpickler` puts this module there
for the length of one load. Those versions are finished, so the private name will not move.

The rules are those of torch's unpickler: a fixed set of opcodes, names looked up in a table and
never imported, and REDUCE, NEWOBJ and BUILD on nothing but what the table holds.
"""

import pickle
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from mmseg_da.compat.allowlist import ALLOWED

# The opcodes of a state dict in pickle protocol 2; all others are unknown to the unpickler.
# fmt: off
_OPCODES = (
    'APPEND', 'APPENDS', 'BINFLOAT', 'BINGET', 'BININT', 'BININT1', 'BININT2', 'BINPERSID',
    'BINPUT', 'BINUNICODE', 'BUILD', 'EMPTY_DICT', 'EMPTY_LIST', 'EMPTY_SET', 'EMPTY_TUPLE',
    'GLOBAL', 'LONG1', 'LONG_BINGET', 'LONG_BINPUT', 'MARK', 'NEWFALSE', 'NEWOBJ', 'NEWTRUE',
    'NONE', 'PROTO', 'REDUCE', 'SETITEM', 'SETITEMS', 'SHORT_BINSTRING', 'STOP', 'TUPLE',
    'TUPLE1', 'TUPLE2', 'TUPLE3',
)
# fmt: on
_OWN_CLASSES = tuple(item for item in ALLOWED.values() if isinstance(item, type))


def _table() -> dict[str, Any]:
    return {**torch._weights_only_unpickler._get_allowed_globals(), **ALLOWED}


class Unpickler(pickle._Unpickler):
    """Python's own unpickler with every opcode that can act either checked or taken away."""

    dispatch = {
        getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]]
        for name in _OPCODES
    }

    def load(self) -> Any:
        try:
            return super().load()
        except KeyError as error:
            raise pickle.UnpicklingError(f'Unsupported operand or memo {error}') from None

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in NAME_MAPPING:
            module, name = NAME_MAPPING[module, name]
        module = IMPORT_MAPPING.get(module, module)
        try:
            return _table()[f'{module}.{name}']
        except KeyError:
            raise pickle.UnpicklingError(f'Unsupported global: GLOBAL {module}.{name}') from None

    def _checked_reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack[-1]
        if not any(function is item for item in _table().values()):
            raise pickle.UnpicklingError(f'Unsupported call of {function!r}')
        self.stack[-1] = function(*args)

    def _checked_newobj(self) -> None:
        args = self.stack.pop()
        kind = self.stack.pop()
        if kind is torch.nn.Parameter:
            self.append(torch.nn.Parameter(*args))
        elif any(kind is item for item in _OWN_CLASSES) and not args:
            self.append(kind())
        else:
            raise pickle.UnpicklingError(f'Unsupported class {kind!r}')

    def _checked_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is torch.Tensor:
            target.set_(*state)
        elif type(target) is torch.nn.Parameter or type(target) in _OWN_CLASSES:
            target.__setstate__(state)
        elif type(target) is OrderedDict:
            target.__dict__.update(state)
        else:
            raise pickle.UnpicklingError(f'Unsupported state for {type(target)!r}')

    def _checked_append(self) -> None:
        item = self.stack.pop()
        self._require(list)
        self.stack[-1].append(item)

    def _checked_appends(self) -> None:
        items = self.pop_mark()
        self._require(list)
        self.stack[-1].extend(items)

    def _checked_setitem(self) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self._require(dict, OrderedDict, Counter)
        self.stack[-1][key] = value

    def _checked_setitems(self) -> None:
        items = self.pop_mark()
        self._require(dict, OrderedDict, Counter)
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][key] = value

    def _checked_persistent_id(self) -> None:
        key = self.stack.pop()
        if type(key) is not tuple or not key or key[0] not in ('storage', b'storage'):
            raise pickle.UnpicklingError('Unsupported persistent object: only storages are allowed')
        self.append(self.persistent_load(key))

    def _require(self, *kinds: type) -> None:
        if type(self.stack[-1]) not in kinds:
            raise pickle.UnpicklingError(f'Unsupported container {type(self.stack[-1])!r}')

    for _opcode, _method in (
        (pickle.REDUCE, _checked_reduce),
        (pickle.NEWOBJ, _checked_newobj),
        (pickle.BUILD, _checked_build),
        (pickle.APPEND, _checked_append),
        (pickle.APPENDS, _checked_appends),
        (pickle.SETITEM, _checked_setitem),
        (pickle.SETITEMS, _checked_setitems),
        (pickle.BINPERSID, _checked_persistent_id),
    ):
        dispatch[_opcode[0]] = _method
    del _opcode, _method


def load(file: Any, *, encoding: str = 'ASCII') -> Any:
    """Load one pickle, as torch asks of the module for legacy files."""
    return Unpickler(file, encoding=encoding).load()


@contextmanager
def extended_unpickler() -> Iterator[None]:
    """Let ``torch.load(weights_only=True)`` read through this module."""
    with mock.patch.object(torch.serialization, '_weights_only_unpickler', sys.modules[__name__]):
        yield
