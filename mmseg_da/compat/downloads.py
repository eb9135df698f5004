"""Pretrained weights by URL: from torch's cache, from the network, or a message that helps."""

import io
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import torch

from mmseg_da.errors import UserError

# For each of connecting and reading: a machine without network must say so, not hang for minutes.
TIMEOUT_SECONDS = 15


def cached_path(url: str, model_dir: str | None = None, file_name: str | None = None) -> Path:
    """Return where ``torch.hub`` keeps the file of ``url`` (TORCH_HOME moves it)."""
    folder = Path(model_dir) if model_dir else Path(torch.hub.get_dir()) / 'checkpoints'
    return folder.expanduser().absolute() / (file_name or os.path.basename(urlparse(url).path))


def fetch(url: str, path: Path) -> None:
    """Download ``url`` to ``path``, whole or not at all, without retries.

    Raises:
        UserError: if that fails, naming the URL and the path for a download by hand.
    """
    print(f'Downloading {url} to {path}', file=sys.stderr, flush=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        request = Request(url, headers={'User-Agent': 'mmseg_da'})
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            _save(response, path)
    except (OSError, HTTPException) as error:
        raise UserError(
            f'cannot download the pretrained weights ({getattr(error, "reason", error)}).\n'
            f'Fetch  {url}\nwhere there is a network, and put it at\n       {path}\n'
            'It is then used without a download. To start from random weights instead, '
            'set init_cfg=None (pretrained=None) in the model.'
        ) from None


def _save(response: Any, path: Path) -> None:
    expected = response.headers.get('Content-Length')
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix='.part')
    try:
        with os.fdopen(handle, 'wb') as target:
            shutil.copyfileobj(response, target, 1 << 20)
        size = os.path.getsize(name)
        if expected is not None and size != int(expected):
            raise ConnectionError(f'got {size} of {expected} bytes')
        # mkstemp makes files private, and this one lies in a cache that may be shared.
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def unwrapped(path: Path) -> Iterator[Any]:
    """Give the path, or the content if somebody zipped the file: torch.hub accepts that as well."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) == 1 and not members[0].is_dir():
                yield io.BytesIO(archive.read(members[0]))
                return
    yield path


def torchvision_table() -> dict[str, str]:
    """Return the addresses of torchvision's weights that mmengine ships as a table."""
    import mmengine

    return mmengine.load(str(Path(mmengine.__path__[0]) / 'hub' / 'torchvision_0.12.json'))
