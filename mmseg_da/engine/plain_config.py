"""The config of an adaptor's segmentor alone, with nothing of ours in it."""

import inspect
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import mmseg.registry
from mmengine.config import Config
from mmengine.registry import Registry
from mmseg.datasets import BaseSegDataset

from mmseg_da.datasets.merging import unwrapped
from mmseg_da.errors import UserError
from mmseg_da.models.adaptors.building import preprocessor_for

_OURS = 'mmseg_da'
_RUNTIME = ('default_scope', 'env_cfg', 'vis_backends', 'visualizer', 'log_processor', 'log_level')
# What mmengine's runner wants together or not at all.
_STAGES = {
    stage: tuple(f'{stage}_{part}' for part in ('dataloader', 'evaluator', 'cfg'))
    for stage in ('val', 'test')
}
_TTA = ('tta_model', 'tta_pipeline')
# Metrics that differ from their parent in what they log alone.
_LOGS_MORE = ('ClassIoUMetric',)


class NoEquivalentError(Exception):
    """A part that mmseg cannot do without us; carries its type name."""


def plain_config(cfg: Config) -> tuple[dict[str, Any], list[str]]:
    """Write the config of the segmentor that a config of ours adapts.

    Kept are the segmentor, its preprocessing as in testing, and what tests it: pipelines, loaders,
    evaluators, augmentation at test time and the runtime. What trains is left out.

    Args:
        cfg: A config whose model is an adaptor, with a preprocessor of
            :class:`~mmseg_da.models.DomainPreprocessor`.

    Returns:
        Settings of mmseg's own classes (the network may still name modules of ours), and what had
        to be left out, in words.

    Raises:
        UserError: The model is no adaptor, or the test pipeline needs this package.
    """
    require_adaptor(cfg)
    settings = cfg.to_dict()
    pipeline = _test_pipeline(settings)
    plain: dict[str, Any] = {key: settings[key] for key in _RUNTIME if key in settings}
    plain.setdefault('default_scope', 'mmseg')
    imports = _other_imports(settings.get('custom_imports'))
    if imports:
        plain['custom_imports'] = imports
    plain['model'] = _segmentor(settings)
    if pipeline:
        try:
            plain['test_pipeline'] = without_ours(pipeline)
        except NoEquivalentError as error:
            raise UserError(
                f'{cfg.filename}: test_pipeline has {error}, which mmseg does not know: without '
                f'{_OURS} it would see other images. Take it out, if the segmentor can do without.'
            ) from None
    notes = []
    for keys in (*_STAGES.values(), _TTA):
        _keep_together(plain, settings, keys, notes)
    plain['default_hooks'] = _theirs(settings.get('default_hooks') or {})
    return plain | dict(load_from=None, resume=False), notes


def require_adaptor(cfg: Config) -> None:
    """See that a config has a segmentor inside of an adaptor.

    Raises:
        UserError: It has none; names what its model is.
    """
    model = cfg.get('model')
    if isinstance(model, Mapping) and isinstance(model.get('segmentor'), Mapping):
        return
    kind = model.get('type', 'without type') if isinstance(model, Mapping) else 'not given'
    raise UserError(
        f'{cfg.filename}: its model is no adaptor ({kind}); only a config with '
        "model=dict(type='DomainAdaptor', segmentor=...) has something to leave"
    )


def our_classes() -> dict[str, type]:
    """Every class that this package registers, by name."""
    registries = [each for each in vars(mmseg.registry).values() if isinstance(each, Registry)]
    return {
        name: kind
        for registry in registries
        for name, kind in registry.module_dict.items()
        if is_ours(kind)
    }


def is_ours(kind: type) -> bool:
    """Tell whether a class is of this package."""
    return kind.__module__.partition('.')[0] == _OURS


def without_ours(value: Any) -> Any:
    """Settings with mmseg's class for each of ours, and the same effect.

    Raises:
        NoEquivalentError: mmseg has none.
    """
    if isinstance(value, list | tuple):
        return type(value)(without_ours(item) for item in value)
    if not isinstance(value, Mapping):
        return value
    kept = {key: without_ours(item) for key, item in value.items()}
    name = kept.get('type')
    if not isinstance(name, str):
        return kept
    kind = our_classes().get(name.rpartition('.')[2])
    if kind is None:
        if name.startswith(f'{_OURS}.'):
            raise NoEquivalentError(name)
        return kept
    if not isinstance(kind, type):  # a function that builds a dataset
        raise NoEquivalentError(name)
    parent = next(each for each in kind.__mro__ if not is_ours(each))
    if kind.__name__ in _LOGS_MORE:
        return kept | dict(type=parent.__name__)
    if issubclass(kind, BaseSegDataset):
        return _dataset(kept, kind, parent)
    raise NoEquivalentError(kind.__name__)


def _dataset(cfg: dict, kind: type, parent: type) -> dict:
    """The config of a dataset class of ours as one of mmseg's with its defaults spelt out."""
    if any(_methods(each) - {'__init__'} for each in kind.__mro__ if is_ours(each)):
        raise NoEquivalentError(kind.__name__)  # it reads its data in a way of its own
    if kind.METAINFO != parent.METAINFO:
        given = cfg.get('metainfo') or {}
        if list(given.get('classes', kind.METAINFO['classes'])) != list(kind.METAINFO['classes']):
            raise NoEquivalentError(f'{kind.__name__} with other classes')
        cfg = cfg | dict(metainfo=dict(kind.METAINFO) | given)
        parent = BaseSegDataset  # a class with classes of its own would map the labels
    own, theirs = _defaults(kind), _defaults(parent)
    spelt = {key: value for key, value in own.items() if theirs.get(key) != value}
    return spelt | cfg | dict(type=parent.__name__)


def _methods(kind: type) -> set[str]:
    """What a class itself defines beyond plain values."""
    described = property, classmethod, staticmethod
    own = vars(kind).items()
    return {name for name, value in own if callable(value) or isinstance(value, described)}


def _defaults(kind: type) -> dict[str, Any]:
    """Defaults of the arguments of a class, also of those that it hands on."""
    found: dict[str, Any] = {}
    for each in reversed(kind.__mro__):
        if '__init__' in vars(each) and each is not object:
            parameters = inspect.signature(each.__init__).parameters.values()
            found |= {p.name: p.default for p in parameters if p.default is not p.empty}
    return found


def _segmentor(settings: dict) -> dict:
    """The inner segmentor, with the preprocessor that it has in testing."""
    adaptor = settings['model']
    segmentor = dict(adaptor['segmentor'])
    own = segmentor.pop('data_preprocessor', None)
    shared = dict(preprocessor_for(adaptor.get('data_preprocessor'), own) or {})
    for domain in ('source', 'target', 'labelled'):  # used in training alone
        shared.pop(domain, None)
    return segmentor | dict(data_preprocessor=shared | dict(type='SegDataPreProcessor'))


def _test_pipeline(settings: dict) -> list | None:
    """The pipeline that mmseg's inference reads, or would if it was named."""
    if settings.get('test_pipeline'):
        return settings['test_pipeline']
    dataset = unwrapped((settings.get('test_dataloader') or {}).get('dataset') or {})
    return dataset.get('pipeline')


def _other_imports(cfg: dict | None) -> dict | None:
    """The user's own imports."""
    names = (cfg or {}).get('imports') or []
    names = [names] if isinstance(names, str) else names
    others = [name for name in names if name.partition('.')[0] != _OURS]
    return dict(cfg, imports=others) if others else None


def _keep_together(plain: dict, settings: dict, keys: tuple[str, ...], notes: list[str]) -> None:
    if any(settings.get(key) is None for key in keys):
        return
    try:
        plain.update({key: without_ours(settings[key]) for key in keys})
    except NoEquivalentError as error:
        notes.append(f'left out {", ".join(keys)}: mmseg does not know {error}')


def _theirs(hooks: dict) -> dict:
    """The hooks that are not ours; ours belong to training."""
    kept = {}
    for name, hook in hooks.items():
        with suppress(NoEquivalentError):
            kept[name] = without_ours(hook)
    return kept
