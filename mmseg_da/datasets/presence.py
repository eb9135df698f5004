"""Is the data there? Asked before anything expensive is built."""

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmseg_da.datasets.reading import what_is_wrong
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

LOADERS = ('train_dataloader', 'val_dataloader')
_CONVERTERS = dict(
    GTADataset='gta',
    CityscapesDataset='cityscapes',
    SynthiaDataset='synthia',
    CrossCityDataset='crosscity',
)
_MAKE_TOY = 'Run `make toy` (python tools/make_toy_domains.py) to write the toy domains.'


def check_data(cfg: Mapping[str, Any], loaders: Sequence[str] = LOADERS) -> None:
    """Look for every folder that a config's loaders read, and for one image and label in each.

    Args:
        cfg: A training or test config.
        loaders: Keys of the loaders that are going to be used; those of a training by default.

    Raises:
        UserError: A folder, a list file or a label is missing; names it and how to get it.
    """
    for loader in loaders:
        dataset = (cfg.get(loader) or {}).get('dataset')
        for leaf, labelled in _leaves(dataset, labelled=True):
            _check_dataset(leaf, labelled)


def _leaves(cfg: Any, labelled: bool) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Every dataset config that names a folder, and whether its labels are read."""
    if isinstance(cfg, Mapping):
        if 'data_root' in cfg or 'data_prefix' in cfg:
            # A class that reads several folders says which.
            parts = getattr(_class(cfg), 'parts', None)
            yield from ((part, labelled) for part in (parts(cfg) if parts else [cfg]))
            return
        for key, value in cfg.items():
            yield from _leaves(value, labelled and key != 'target')
    elif isinstance(cfg, list | tuple):
        for value in cfg:
            yield from _leaves(value, labelled)


def _check_dataset(cfg: Mapping[str, Any], labelled: bool) -> None:
    root, prefixes = cfg.get('data_root') or '', _argument(cfg, 'data_prefix')
    if not isinstance(root, str | os.PathLike):
        raise UserError(f'data_root is {root!r}, not the name of a folder')
    root = os.fspath(root)
    if cfg.get('backend_args') or '://' in root:
        return  # not on this disk
    if prefixes is None:  # the class sets folders of its own
        if not Path(root).is_dir():
            raise UserError(f'{root}: no such folder. {_how_to_get(cfg, Path(root))}')
        return
    if not isinstance(prefixes, Mapping):
        raise UserError(f"data_prefix is {prefixes!r}, not a dict(img_path='...') of folders")
    images = Path(root, prefixes.get('img_path') or '')
    folders = [images]
    if labelled and prefixes.get('seg_map_path') is not None:
        folders.append(Path(root, prefixes['seg_map_path']))
    elif labelled and _has('LoadAnnotations', cfg.get('pipeline')):
        raise UserError(
            f'{images}: its pipeline loads labels, but data_prefix names no folder of them, only '
            f'{dict(prefixes)}: set seg_map_path'
        )
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f'{folder}: no such folder. {_how_to_get(cfg, folder)}')
    _check_files(cfg, images, folders[1] if len(folders) > 1 else None)


def _check_files(cfg: Mapping[str, Any], images: Path, labels: Path | None) -> None:
    """Look for the first image and its label, as far as the config or the class says their names."""
    suffix, seg_suffix = _argument(cfg, 'img_suffix'), _argument(cfg, 'seg_map_suffix')
    suffixes = (suffix,) if isinstance(suffix, str) else tuple(suffix or ())
    name = None
    if cfg.get('ann_file'):
        name = _first_listed(cfg, Path(cfg.get('data_root') or '', cfg['ann_file']))
    elif suffix is not None:
        name = _first_file(images, suffixes)
    found = [path for each in suffixes if (path := images / f'{name}{each}').exists()]
    if suffix is not None and not found:
        which = f'that ends in {" or ".join(map(repr, suffixes))}'
        if name is not None:
            which = ' or '.join(f'{name}{each}' for each in suffixes)
        which = f'no image {which}'
        raise UserError(
            f'{images}: {which}. {_how_to_get(cfg, images)} If the images have another ending, set '
            'img_suffix.'
        )
    if found and _has('LoadImageFromFile', cfg.get('pipeline')):
        _require_readable(found[0], 'image')
    if labels is None or name is None or not seg_suffix:
        return
    label = labels / f'{name}{seg_suffix}'
    if not label.exists():
        raise UserError(f'{label}: no such label. {_how_to_convert(cfg, label)}')
    if _has('LoadAnnotations', cfg.get('pipeline')):
        _require_readable(label, 'label')


def _require_readable(path: Path, what: str) -> None:
    problem = what_is_wrong(path, what)
    if problem:
        raise UserError(problem)


def _has(transform: str, pipeline: Any) -> bool:
    """Whether a pipeline has a transform of a name, also inside of others."""
    if isinstance(pipeline, Mapping):
        kind = pipeline.get('type')
        name = kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')
        return name == transform or _has(transform, list(pipeline.values()))
    return isinstance(pipeline, list | tuple) and any(_has(transform, each) for each in pipeline)


def _argument(cfg: Mapping[str, Any], name: str) -> Any:
    """What the config says, else the default of its dataset class; None if neither names it."""
    if cfg.get(name) is not None:
        return cfg[name]
    kind = _class(cfg)
    parameter = inspect.signature(kind).parameters.get(name) if kind else None
    return None if parameter is None or parameter.default is parameter.empty else parameter.default


def _class(cfg: Mapping[str, Any]) -> Any:
    kind = cfg.get('type')
    return DATASETS.get(kind) if isinstance(kind, str) else kind


def _first_listed(cfg: Mapping[str, Any], path: Path) -> str:
    """The first name in a list of images."""
    if not path.is_file():
        raise UserError(f'{path}: no such list of images. {_how_to_convert(cfg, path)}')
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'{path}: cannot be read as a list of images ({error})') from error
    name = next((line.strip() for line in lines if line.strip()), None)
    if name is None:
        raise UserError(f'{path}: the list of images is empty. {_how_to_convert(cfg, path)}')
    return name


def _first_file(folder: Path, suffixes: Sequence[str]) -> str | None:
    """The first image below a folder, as a list would name it."""
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(files):
            for suffix in suffixes:
                if name.endswith(suffix):
                    path = str(Path(parent, name).relative_to(folder))
                    return path[: len(path) - len(suffix)]
    return None


def _how_to_get(cfg: Mapping[str, Any], missing: Path) -> str:
    """Where a missing folder or image comes from, and what to run once it is there."""
    if 'toy' in missing.parts:
        return _MAKE_TOY
    converter = _converter(cfg)
    return (
        'docs/data.md says how to get each data set and how it is laid out; the environment '
        'variable MMSEG_DA_DATA names the folder that holds them all (now: '
        f'{os.environ.get("MMSEG_DA_DATA", "data")}).'
        + (f' Then run `{converter}` to make the labels and lists.' if converter else '')
    )


def _how_to_convert(cfg: Mapping[str, Any], missing: Path) -> str:
    """What writes a missing label or list."""
    converter = _converter(cfg)
    if 'toy' in missing.parts or not converter:
        return _how_to_get(cfg, missing)
    return f'Run `{converter}` to make the labels and lists.'


def _converter(cfg: Mapping[str, Any]) -> str | None:
    """The command that makes the labels and lists of a dataset, if we have one."""
    kind = cfg.get('type')
    name = kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', None)
    if name not in _CONVERTERS:
        return None
    return f'python tools/dataset_converters/{_CONVERTERS[name]}.py {cfg.get("data_root") or "."}'
