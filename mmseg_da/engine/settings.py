"""Settings that are plainly wrong, told by their key before anything is built."""

import inspect
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from mmengine.config import Config
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from mmseg_da.errors import UserError
from mmseg_da.registry import MODELS

_METRICS = ('mIoU', 'mDice', 'mFscore')
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_COUNTS = (
    *(f'{loader}.batch_size' for loader in _LOADERS),
    'train_cfg.max_iters',
    'train_cfg.max_epochs',
    'train_cfg.val_interval',
    'optim_wrapper.accumulative_counts',
)
_MAPPINGS = (
    'model',
    'model.segmentor',
    'model.objectives',
    'model.data_preprocessor',
    *(f'{loader}{part}' for loader in _LOADERS for part in ('', '.dataset')),
    'optim_wrapper',
    'train_cfg',
    'default_hooks',
    'default_hooks.checkpoint',
)
_REQUIRED = (
    'model',
    'model.segmentor',
    'model.objectives',
    *(f'{each}.dataset' for each in _LOADERS),
)
_TYPED = ('model', 'model.segmentor', *(f'{loader}.dataset' for loader in _LOADERS))
_PREPROCESSORS = ('model.data_preprocessor', 'model.segmentor.data_preprocessor')
_DOMAINS = ('source', 'target', 'labelled')
_OUR_HOOKS = dict(divergence='DivergenceHook', pseudo_labels='PseudoLabelHook')
_CLIPPERS = dict(norm=clip_grad_norm_, value=clip_grad_value_)
_ABSENT = object()


def check_settings(cfg: Config) -> None:
    """Look at the settings that only fail, or do nothing, deep inside of a run.

    Args:
        cfg: A training or test config; keys that it lacks are left to their users.

    Raises:
        UserError: One is of the wrong kind or out of range; names the config, the key and the value.
    """
    for problem in setting_problems(cfg):
        raise UserError(problem)


def setting_problems(cfg: Config) -> Iterator[str]:
    """Everything that :func:`check_settings` refuses, one message after the other.

    Args:
        cfg: A training or test config.
    """
    if cfg.get('model') is None:
        yield f'{cfg.filename}: `model` is missing'
        return
    for check in (
        _scope,
        _structure,
        _counts,
        _objectives,
        _optimizers,
        _preprocessors,
        _evaluators,
        _checkpoints,
    ):
        for key, value, expected in check(cfg):
            yield f'{cfg.filename}: {key} is {_shown(value)}, but has to be {expected}'


def saves_last_iteration(cfg: Config) -> bool:
    """Whether a training by iterations ends with a checkpoint.

    Args:
        cfg: With ``train_cfg.max_iters``.
    """
    usual = (cfg.get('default_hooks') or {}).get('checkpoint', {})
    hooks = [usual, *(cfg.get('custom_hooks') or ())]
    return any(_saves(hook, cfg.train_cfg.max_iters) for hook in hooks)


def with_our_hooks(default_hooks: Mapping[str, Any]) -> dict[str, Any]:
    """Default hooks of a training, with those that the runner adds.

    Args:
        default_hooks: By name. One of the runner's need not name its type. ``None`` leaves one out;
            mmengine's runner knows that of its own ones alone.
    """
    found = dict(default_hooks)
    for name, kind in _OUR_HOOKS.items():
        given = found.get(name, {})
        found[name] = dict(type=kind) | given if isinstance(given, Mapping) else given
    ours = {'adaptation_view', *_OUR_HOOKS}
    return {name: hook for name, hook in found.items() if hook is not None or name not in ours}


def without_our_hooks(default_hooks: MutableMapping[str, Any]) -> None:
    """Drop what only acts in a training, in place: mmengine's plain runner tests."""
    for name in ('adaptation_view', *_OUR_HOOKS):
        default_hooks.pop(name, None)


def _saves(hook: Any, last: int) -> bool:
    kind = str(hook.get('type', 'CheckpointHook')) if isinstance(hook, Mapping) else ''
    if 'CheckpointHook' not in kind:
        return False
    interval = hook.get('interval', -1)
    return hook.get('save_last', True) or (interval > 0 and last % interval == 0)


_Problems = Iterator[tuple[str, Any, str]]


def _scope(cfg: Config) -> _Problems:
    known = [MODELS.scope, *MODELS.children]
    scope = cfg.get('default_scope', MODELS.scope)
    if scope not in known:
        yield 'default_scope', scope, f'one of {known}, where our types are found'


def _structure(cfg: Config) -> _Problems:
    for key in _MAPPINGS:
        value = _at(cfg, key)
        if value is _ABSENT or (value is None and key not in _REQUIRED):
            continue
        if not isinstance(value, Mapping):
            yield key, value, 'a dict'
        elif key in _TYPED and value.get('type') is None:
            yield f'{key}.type', None, 'the name of a class'
    for loader in _LOADERS:
        workers = _at(cfg, f'{loader}.num_workers')
        if workers is not _ABSENT and not _is_count(workers, least=0):
            yield f'{loader}.num_workers', workers, 'an integer of 0 or more'
    schedulers = _at(cfg, 'param_scheduler')
    if not _are_schedulers(schedulers):
        expected = "a list of dicts such as dict(type='PolyLR', end=40000, by_epoch=False)"
        yield 'param_scheduler', schedulers, expected


def _are_schedulers(value: Any) -> bool:
    """Whether it is a scheduler, a list of them, either of these by the name of a part, or none."""
    if value is _ABSENT or value is None:
        return True
    parts = value.values() if isinstance(value, Mapping) and 'type' not in value else [value]
    lists = [
        part if isinstance(part, list | tuple) else [part] for part in parts if part is not None
    ]
    return all(isinstance(each, Mapping) and 'type' in each for part in lists for each in part)


def _counts(cfg: Config) -> _Problems:
    for key in _COUNTS:
        value = _at(cfg, key)
        if value is not _ABSENT and not _is_count(value, least=1):
            yield key, value, 'an integer of 1 or more'


def _objectives(cfg: Config) -> _Problems:
    for name, objective in _items(_at(cfg, 'model.objectives')):
        key = f'model.objectives.{name}'
        if objective is not None and not isinstance(objective, Mapping):
            yield key, objective, "a dict such as dict(type='SourceSupervision'), or None"
        weight = _at(objective, 'loss_weight')
        if weight is not _ABSENT and not (_is_number(weight) and weight >= 0):
            yield f'{key}.loss_weight', weight, 'a number of 0 or more'
        rival = _at(objective, 'discriminator')
        if rival is not _ABSENT and not isinstance(rival, Mapping):
            yield f'{key}.discriminator', rival, "a dict such as dict(type='PixelDiscriminator')"


def _optimizers(cfg: Config) -> _Problems:
    wrappers = [('optim_wrapper', _at(cfg, 'optim_wrapper'))]
    wrappers += [(f'optim_wrapper.{name}', each) for name, each in _items(wrappers[0][1])]
    for key, wrapper in wrappers:
        optimizer = _at(wrapper, 'optimizer')
        if optimizer is not _ABSENT and not isinstance(optimizer, Mapping):
            yield f'{key}.optimizer', optimizer, "a dict such as dict(type='SGD', lr=0.01)"
        elif optimizer is not _ABSENT and optimizer.get('type') is None:
            yield f'{key}.optimizer.type', None, 'the name of an optimizer'
        rate = _at(optimizer, 'lr')
        if rate is not _ABSENT and not (_is_number(rate) and rate >= 0):
            yield f'{key}.optimizer.lr', rate, 'a number of 0 or more'
        clip = _at(wrapper, 'clip_grad')
        for argument, value in _items(clip):
            kind = clip.get('type', 'norm')
            known = inspect.signature(_CLIPPERS.get(kind, clip_grad_norm_)).parameters
            if argument != 'type' and argument not in known:
                expected = f'left out: clipping by {kind} takes {list(known)[1:]}'
                yield f'{key}.clip_grad.{argument}', value, expected


def _preprocessors(cfg: Config) -> _Problems:
    for key in _PREPROCESSORS:
        shared = _at(cfg, key)
        if not isinstance(shared, Mapping):
            continue
        for name in (key, *(f'{key}.{domain}' for domain in _DOMAINS)):
            own = _at(cfg, name)
            if _has(own, 'size') and _has(own, 'size_divisor'):
                yield f'{name}.size_divisor', own['size_divisor'], 'left out where `size` is given'
            if not isinstance(own, Mapping):
                continue
            size = own.get('size')
            if size is not None and not _is_size(size):
                yield f'{name}.size', size, 'a pair of integers, (height, width)'
            mean, std = ({**shared, **own}.get(each) for each in ('mean', 'std'))
            if mean is not None and std is not None and _length(mean) != _length(std):
                yield f'{name}.mean', mean, f'of the length of std, {std}'


def _evaluators(cfg: Config) -> _Problems:
    for stage in ('val_evaluator', 'test_evaluator'):
        value = _at(cfg, stage)
        for evaluator in value if isinstance(value, list | tuple) else [value]:
            metrics = _at(evaluator, 'iou_metrics')
            if metrics is _ABSENT:
                continue
            named = [metrics] if isinstance(metrics, str) else metrics
            if not isinstance(named, list | tuple) or set(named) - set(_METRICS):
                yield f'{stage}.iou_metrics', metrics, f'a list of some of {list(_METRICS)}'


def _checkpoints(cfg: Config) -> _Problems:
    key = 'default_hooks.checkpoint'
    interval = _at(cfg, f'{key}.interval')
    if interval not in (_ABSENT, -1) and not _is_count(interval, least=1):
        expected = 'an integer of 1 or more, or -1 to save after the last iteration alone'
        yield f'{key}.interval', interval, expected
    kept = _at(cfg, f'{key}.max_keep_ckpts')
    if kept is not _ABSENT and not _is_count(kept, least=-1):
        yield f'{key}.max_keep_ckpts', kept, 'an integer, or -1 to keep all'
    if interval == -1 and _at(cfg, f'{key}.save_last') is False:
        expected = f'True where interval is -1; to save nothing at all, set {key}=None'
        yield f'{key}.save_last', False, expected


def _at(value: Any, key: str) -> Any:
    for part in key.split('.'):
        if not isinstance(value, Mapping | Config) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, Mapping) else []


def _has(value: Any, key: str) -> bool:
    return isinstance(value, Mapping) and value.get(key) is not None


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list | tuple) else 1


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_size(value: Any) -> bool:
    return _length(value) == 2 and all(_is_count(each, least=1) for each in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:60]}...'
