"""One way to load a checkpoint, for every path that leads to one.

mmengine 0.10.7 calls a bare ``torch.load``: on torch 2.6 and later it cannot read its own training
checkpoints, before that it runs whatever the file asks for. The onedl fork tries an allow-list
(with ``getattr`` itself on it) and then loads without any. Here ``weights_only=True`` is always
set, the allow-list is :mod:`mmseg_da.compat.allowlist`, there is no second attempt, and what torch
reads past its unpickler (CVE-2025-32434, in torch up to 2.5) is refused before torch sees it.

:func:`install` sets a few names in ``mmengine.runner.checkpoint``: ``torch`` (a view of torch whose
``load`` is :func:`load`), ``load_url``, the fork's ``_safe_torch_load``, and
``CheckpointLoader.load_checkpoint``, through which Runner, ``init_cfg``, ``load_from``, ``resume``
and ``mmseg.apis`` all go. Names rather than re-registered schemes, because the loaders of the
schemes also call one another directly, and torch itself stays as it is for everybody else.
"""

import functools
import os
import pickle
import re
import tarfile
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from packaging.version import Version

from mmseg_da.compat import allowlist, downloads, old_torch
from mmseg_da.errors import UserError

_OLD_TORCH = Version(torch.__version__).release < (2, 6)
# What an unpickler says when it meets something that is not allowed, rather than not a pickle.
_REFUSED = re.compile(
    r'GLOBAL (?P<name>\S+)|(?:Unsupported (?:value|persistent object): |Trying to |Can only )'
    r'(?P<what>[^\n]+)|Unsupported (?P<thing>(?:call|class|state|container) [^\n]+)'
)
_MARK = '_mmseg_da_safe'


def load(f: Any, map_location: Any = None, **_: Any) -> Any:
    """Load a checkpoint file or stream; a drop-in for ``torch.load``.

    Other arguments of ``torch.load`` are accepted and ignored: no caller can open the door again.

    Raises:
        UserError: if the file is missing, damaged, or holds anything beyond the allow-list.
    """
    is_path = isinstance(f, str | os.PathLike)
    name = os.fspath(f) if is_path else str(getattr(f, 'name', 'the checkpoint'))
    try:
        with open(f, 'rb') if is_path else nullcontext(f) as stream:
            _refuse_other_archives(stream, name)
        with _allowing_our_names():
            loaded = torch.load(f, map_location=map_location, weights_only=True)
        return allowlist.thaw(loaded)
    except FileNotFoundError:
        raise UserError(_missing(name)) from None
    except UserError:
        raise
    except Exception as error:  # a hostile or cut file can fail in any way
        raise UserError(_explain(name, error)) from error


def _refuse_other_archives(stream: Any, name: str) -> None:
    """Refuse the two formats for which torch has readers that know of no allow-list."""
    start = stream.tell()
    kind = None
    # The decisions are torch's, by its own readers: another zip reader may see other members.
    if stream.read(4) == b'PK\x03\x04':
        stream.seek(start)
        if 'constants.pkl' in torch._C.PyTorchFileReader(stream).get_all_records():
            kind = 'TorchScript archive'
    elif start == 0:  # nowhere else does torch look for one, and tarfile takes anything for one
        stream.seek(start)
        with suppress(tarfile.TarError), tarfile.open(fileobj=stream, mode='r:'):
            kind = 'legacy tar'
    stream.seek(start)
    if kind:
        raise UserError(
            f'{name} was refused: a {kind} is no checkpoint of weights, and reading it may run '
            'code. Nothing was run. Get the weights from a source that you trust, or have their '
            'owner save them again: torch.save(dict(state_dict=model.state_dict()), path).'
        )


@contextmanager
def _allowing_our_names() -> Iterator[None]:
    if _OLD_TORCH:
        with old_torch.extended_unpickler():
            yield
        return
    serialization = torch.serialization
    before = serialization.get_safe_globals()
    # What the user allowed stays allowed, but nobody's real `getattr` takes our stand-in's place.
    others = [item for item in before if _full_name(item) not in allowlist.ALLOWED]
    serialization.clear_safe_globals()
    serialization.add_safe_globals(
        [*others, *((item, name) for name, item in allowlist.ALLOWED.items())]
    )
    try:
        yield
    finally:
        serialization.clear_safe_globals()
        serialization.add_safe_globals(before)


def _full_name(item: Any) -> str:
    return item[1] if isinstance(item, tuple) else f'{item.__module__}.{item.__qualname__}'


def _missing(name: str) -> str:
    where = '' if os.path.isabs(name) else f' (looked in {Path.cwd()})'
    return f'checkpoint {name} does not exist{where}. Check load_from, init_cfg or the command.'


def _explain(name: str, error: Exception) -> str:
    refused = _REFUSED.search(str(error)) if isinstance(error, pickle.UnpicklingError) else None
    if refused:
        what = next(filter(None, refused.groups()))
        return (
            f'{name} was refused ({what}): a checkpoint has no need of that, and it may run code. '
            'Nothing was run. Get the file from a source that you trust, or have its owner save it '
            'again with tensors and plain values only, e.g. dict(state_dict=...).'
        )
    if 'deserialize object on' in str(error):
        return f"{name} was saved on another device. Load it with map_location='cpu'."
    reason = str(error).rpartition('WeightsUnpickler error:')[2].strip().partition('\n')[0][:200]
    if not isinstance(error, pickle.UnpicklingError):
        reason = f'{type(error).__name__}: {reason}'
    return (
        f'{name} is not a checkpoint, or is damaged, e.g. by a copy that was cut short '
        f'({reason}). Copy, download or save it again.'
    )


def install() -> bool:
    """Send every load path of mmengine through :func:`load`; again is harmless.

    Returns:
        Whether mmengine is there to be set up.

    Raises:
        ImportError: if mmengine is installed but cannot be imported.
    """
    from mmengine.runner import checkpoint as module

    if getattr(module, _MARK, False):
        return True
    module.torch = _TorchView('torch')
    module.load_url = load_url
    if hasattr(module, '_safe_torch_load'):
        module._safe_torch_load = load
    module.get_torchvision_models = _with_table_of_mmengine(module.get_torchvision_models)
    guarded = _guard(module.CheckpointLoader.load_checkpoint.__func__)
    module.CheckpointLoader.load_checkpoint = classmethod(guarded)
    setattr(module, _MARK, True)
    return True


class _TorchView(types.ModuleType):
    """torch as ``mmengine.runner.checkpoint`` sees it: the same, but for ``load``."""

    load = staticmethod(load)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def load_url(url: str, model_dir: str | None = None, map_location: Any = None, **names: Any) -> Any:
    """Load weights by URL, from torch's cache folder if they are there; never run what they hold.

    Raises:
        UserError: if they cannot be downloaded, with the file and where to put it, or as
            :func:`load` does.
    """
    path = downloads.cached_path(url, model_dir, names.get('file_name'))
    if not path.is_file():
        downloads.fetch(url, path)
    with downloads.unwrapped(path) as content:
        return load(content, map_location)


def _with_table_of_mmengine(original: Callable[[], dict]) -> Callable[[], dict]:
    @functools.wraps(original)
    def get_torchvision_models() -> dict:
        try:
            return original()
        except ImportError:
            # torchvision is only asked for addresses; mmengine ships those up to version 0.12.
            return downloads.torchvision_table()

    return get_torchvision_models


def _guard(original: Callable) -> Callable:
    @functools.wraps(original)
    def load_checkpoint(
        cls: type, filename: str, map_location: Any = None, logger: Any = 'current'
    ) -> dict:
        filename = os.fspath(filename)
        try:
            checkpoint = original(cls, filename, map_location, logger)
        except FileNotFoundError:
            raise UserError(_missing(filename)) from None
        except KeyError as error:
            if '://' not in filename:
                raise
            raise UserError(
                f'{filename}: no weights of the name {error} are known. Check the spelling in '
                'init_cfg or load_from; newer torchvision names need torchvision installed.'
            ) from None
        held = checkpoint
        if isinstance(held, dict):
            held = held.get('state_dict', held)
        if not isinstance(held, dict):
            raise UserError(
                f'{filename} is not a checkpoint: it holds a {type(held).__name__} instead '
                'of a dict of weights. Check load_from, init_cfg or the command.'
            )
        return checkpoint

    return load_checkpoint
