"""A trained segmentor as files that mmseg reads without this package."""

import inspect
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from torch import nn

from mmseg_da.datasets.outputs import require_writable
from mmseg_da.engine import launch
from mmseg_da.engine.checkpoints import PARTIAL, put_in_place
from mmseg_da.engine.dataset_meta import dataset_meta
from mmseg_da.engine.fitting import compare, segmentor_weights, teacher_weights, weights_of
from mmseg_da.engine.plain_config import is_ours, plain_config, require_adaptor
from mmseg_da.errors import UserError
from mmseg_da.models.adaptors.domain_adaptor import SEGMENTOR, TEACHER
from mmseg_da.models.data_preprocessor import DomainPreprocessor
from mmseg_da.version import __version__

# What a copied module imports of ours, and in its place. `force`: where this package is installed
# as well, the class may be registered already.
_INSTEAD = {
    'from mmseg_da.registry import MODELS\n': 'from mmseg.registry import MODELS\n',
    'from mmseg_da.errors import UserError\n': 'from builtins import ValueError as UserError\n',
    '@MODELS.register_module()\n': '@MODELS.register_module(force=True)\n',
}
_PATH = """# Modules that mmseg lacks lie beside this file.
import sys

sys.path.append('{{ fileDirname }}')

"""


def leave(
    cfg: Config, checkpoint: str, out: Path, force: bool = False, teacher: bool = False
) -> list[str]:
    """Write a folder with a config, a checkpoint and, where it needs them, modules of ours.

    The folder appears when it is whole. In one that is there, the files of these names alone are
    replaced.

    Args:
        cfg: The config that the segmentor was trained with.
        checkpoint: File or address of an adaptor's or of a plain segmentor's weights.
        out: The folder; its name is that of the files.
        force: Write into a folder that is not empty.
        teacher: Take the teacher's weights; without it, too, where ``model.teacher.predicts``.

    Returns:
        What a user should know: the files that were written, and what had to be left out.

    Raises:
        UserError: ``out`` is in use or cannot be written to, the config is of no adaptor, the
            checkpoint cannot be read, is of another network, or has no teacher.
    """
    _require_free(out, force)
    require_adaptor(cfg)
    model = launch.build_model(cfg)
    if type(model.data_preprocessor) is not DomainPreprocessor:
        raise UserError(
            f'{cfg.filename}: model.data_preprocessor is a {type(model.data_preprocessor).__name__}, '
            'of which it is not known what it does in testing; only DomainPreprocessor is'
        )
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    segmentor = getattr(model, SEGMENTOR)
    own = getattr(model, TEACHER, None)
    teacher = teacher or (own is not None and own.predicts)
    _load(segmentor, loaded, checkpoint, cfg, teacher)
    plain, notes = plain_config(cfg)
    sources, needs_us = {}, _needing_us(segmentor)
    if needs_us:
        theirs = plain.get('custom_imports', dict(allow_failed_imports=False))
        plain['custom_imports'] = theirs | dict(imports=[*theirs.get('imports', ()), 'mmseg_da'])
        notes.append(
            f'{", ".join(needs_us)} of the network cannot leave: {out.name}.py imports mmseg_da, '
            'which has to be installed where it predicts'
        )
    else:
        sources = our_sources(segmentor, out.name)
    if sources:
        own = [name.removesuffix('.py') for name in sources]
        theirs = plain.get('custom_imports', dict(allow_failed_imports=False))
        plain['custom_imports'] = theirs | dict(imports=[*theirs.get('imports', ()), *own])
    text = _heading(checkpoint) + (_PATH if sources else '') + Config(plain).pretty_text
    given = (loaded.get('meta') or {}).get('dataset_meta')
    weights = dict(
        meta=dict(dataset_meta=dataset_meta(given, cfg)), state_dict=segmentor.state_dict()
    )
    _write(out, sources | {f'{out.name}.py': text}, weights)
    if sources:
        notes.append(
            f'mmseg lacks modules of this network, so {", ".join(sources)} hold them: keep them '
            f'beside {out.name}.py, which imports them'
        )
    return [*(f'wrote {out / name}' for name in _names(out, sources)), *notes]


def our_sources(network: nn.Module, stem: str) -> dict[str, str]:
    """The source of every class of ours in a network, as modules that need mmseg alone.

    Args:
        network: The segmentor.
        stem: What the names of the modules start with.

    Returns:
        Source by file name; empty for a network of mmseg's classes.

    Raises:
        UserError: A class needs more of this package than its registry and errors.
    """
    prefix = re.sub(r'\W', '_', stem)
    found = {}
    for module, own in _our_modules(network).items():
        copied = _copied(own[0])
        named = ', '.join(sorted(kind.__name__ for kind in own if kind.__name__[0] != '_'))
        if 'mmseg_da' in copied:
            raise UserError(
                f'{named} in the network needs mmseg_da itself: this segmentor cannot leave'
            )
        origin = f'# {named} of mmseg_da {__version__}, Apache-2.0; it needs mmseg alone.\n'
        found[f'{prefix}_{module.rpartition(".")[2]}.py'] = origin + copied
    return found


def _our_modules(network: nn.Module) -> dict[str, list[type]]:
    """The classes of ours in a network, by the name of their module."""
    kinds = {type(module) for module in network.modules() if is_ours(type(module))}
    names = sorted({kind.__module__ for kind in kinds})
    return {name: [kind for kind in kinds if kind.__module__ == name] for name in names}


def _copied(kind: type) -> str:
    """The source of the module of a class, with what others have in place of what is ours."""
    source = Path(inspect.getfile(kind)).read_text()
    for ours, theirs in _INSTEAD.items():
        source = source.replace(ours, theirs)
    return source


def _needing_us(network: nn.Module) -> list[str]:
    """The classes in a network whose source needs more of this package than it may leave with."""
    modules = _our_modules(network).values()
    return sorted(kind.__name__ for own in modules if 'mmseg_da' in _copied(own[0]) for kind in own)


def _names(out: Path, sources: Mapping[str, str]) -> list[str]:
    return [f'{out.name}.py', f'{out.name}.pth', *sources]


def _require_free(out: Path, force: bool) -> None:
    if out.suffix in ('.pth', '.py'):
        raise UserError(
            f'{out}: OUT is a folder, which gets a config and a checkpoint of its name; leave '
            f'{out.suffix!r} out'
        )
    if not out.name:
        raise UserError(f'{out}: OUT needs a name, which the files in it get')
    require_writable(out, 'OUT')
    if out.is_dir() and any(out.iterdir()) and not force:
        raise UserError(
            f'{out} is there and not empty: choose another folder, or --force to replace its '
            f'{out.name}.py and {out.name}.pth'
        )


def _load(
    segmentor: nn.Module, loaded: Any, filename: str, cfg: Config, teacher: bool = False
) -> None:
    """Load weights that fit to the last name and shape."""
    weights = weights_of(loaded)
    weights = teacher_weights(weights, filename) if teacher else segmentor_weights(weights)
    misfits = compare(segmentor, weights)
    if len(misfits.missing) == len(segmentor.state_dict()):
        raise UserError(f'{filename}: holds no weights of the segmentor of {cfg.filename}')
    if any(misfits):
        raise UserError(
            f'{filename}: does not fit the segmentor of {cfg.filename} ({misfits}). Give the '
            'config that it was trained with.'
        )
    segmentor.load_state_dict(weights)


def _heading(checkpoint: str) -> str:
    return f'# The segmentor of {Path(checkpoint).name}, for mmseg alone.\n'


def _write(out: Path, texts: Mapping[str, str], weights: dict[str, Any]) -> None:
    """Fill a folder beside ``out``, then give it that name, or its files those of the old ones."""
    out = out.absolute()
    partial = out.with_name(f'.{out.name}.{os.getpid()}{PARTIAL}')
    try:
        partial.mkdir(parents=True)
        try:
            for name, text in texts.items():
                (partial / name).write_text(text)
            torch.save(weights, partial / f'{out.name}.pth')
            if out.is_dir() and any(out.iterdir()):
                for path in sorted(partial.iterdir()):
                    put_in_place(path, out / path.name)
            else:
                partial.rename(out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except (OSError, RuntimeError) as error:  # torch tells a full disk as the latter
        raise UserError(f'{out}: cannot be written ({error})') from error
