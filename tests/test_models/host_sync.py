"""Finds the operations of a step that make the host wait for the device."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import mmseg_da

SITE = Path(torch.__file__).parents[1]
OURS = Path(mmseg_da.__file__).parent
_ALWAYS = {
    'aten::_local_scalar_dense': 'a value read by Python',
    'aten::nonzero': 'nonzero',
    'aten::masked_select': 'selection by a mask',
    'aten::_unique2': 'unique',
    'aten::_unique': 'unique',
    'aten::unique_dim': 'unique',
    'aten::unique_consecutive': 'unique',
    'aten::repeat_interleave.Tensor': 'a size that depends on values',
    'aten::bincount': 'a size that depends on values',
}
# On a CPU these reach no operator, but on any other device they copy to the host.
_COPIES = {'cpu', 'numpy', 'tolist', '__array__'}


@dataclass(frozen=True)
class Sync:
    """One operation that waits.

    Attributes:
        what: Which kind.
        where: File and line that ask for it: the innermost frame outside of torch.
        ours: Whether that is in this package, not in mmengine or mmseg.
    """

    what: str
    where: str
    ours: bool


@dataclass
class Watch(ExitStack):
    """Collects the waits inside of the context, those of backward included.

    Attributes:
        found: In the order of their first occurrence.
        also_ours: Further files that count as ours.
    """

    found: dict[Sync, int] = field(default_factory=dict)
    also_ours: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__init__()

    def __enter__(self) -> 'Watch':
        super().__enter__()
        self.enter_context(_Functions(self.add))
        self.enter_context(_Operators(self.add))
        return self

    def add(self, what: str) -> None:
        frame = _asking(sys._getframe(1))
        file = frame.f_code.co_filename
        ours = Path(file).is_relative_to(OURS) or file in self.also_ours
        sync = Sync(what, f'{_short(file)}:{frame.f_lineno} {frame.f_code.co_name}', ours)
        self.found[sync] = self.found.get(sync, 0) + 1

    @property
    def ours(self) -> list[str]:
        """What this package asks for."""
        return [f'{each.what} at {each.where}' for each in self.found if each.ours]

    @property
    def theirs(self) -> list[str]:
        """What mmengine and mmseg ask for."""
        return [f'{each.what} at {each.where}' for each in self.found if not each.ours]


class _Operators(TorchDispatchMode):
    def __init__(self, add: Callable[[str], None]) -> None:
        super().__init__()
        self.add = add

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = func.name()
        if name in _ALWAYS:
            self.add(_ALWAYS[name])
        elif name.startswith('aten::index.') and _has_mask(args[1]):
            self.add('selection by a mask')
        elif 'index_put' in name and _has_mask(args[1]) and args[2].numel() > 1:
            self.add('assignment by a mask')  # of one value, it is a masked_fill and does not wait
        return func(*args, **kwargs or {})


class _Functions(TorchFunctionMode):
    def __init__(self, add: Callable[[str], None]) -> None:
        super().__init__()
        self.add = add

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, '__name__', '')
        if name in _COPIES or (name == 'to' and _is_cpu([*args[1:], *kwargs.values()])):
            self.add('a copy to the host')
        return func(*args, **kwargs)


def _has_mask(indices: Any) -> bool:
    return any(
        isinstance(each, Tensor) and each.dtype in (torch.bool, torch.uint8) for each in indices
    )


def _is_cpu(settings: list) -> bool:
    return any(str(each) == 'cpu' for each in settings if isinstance(each, str | torch.device))


def _asking(frame: FrameType) -> FrameType:
    """The innermost frame that is neither this file's nor torch's."""
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        of_torch = Path(file).is_relative_to(SITE / 'torch') or file.startswith('<')
        if file != __file__ and not of_torch:
            break
        frame = frame.f_back
    return frame


def _short(file: str) -> str:
    for root in (SITE, OURS.parent):
        if Path(file).is_relative_to(root):
            return str(Path(file).relative_to(root))
    return file
