"""The config against itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmseg_da.datasets.presence import check_data
from mmseg_da.doctor.findings import Finding, one_line
from mmseg_da.engine.launch import build_model, config_errors
from mmseg_da.engine.memory import dicts_in
from mmseg_da.engine.settings import setting_problems
from mmseg_da.engine.stage_kinds import TRAIN
from mmseg_da.engine.stages import TrainingStage

_NEEDED = ('train_dataloader', 'train_dataloader.dataset', 'optim_wrapper', 'train_cfg')


def trains(stage: TrainingStage) -> bool:
    """Whether a stage is one that runs, and that trains."""
    return stage.given is None and stage.kind == TRAIN


def wrong_settings(stage: TrainingStage) -> list[Finding]:
    """Settings that a training would refuse, all of them; without any, a model that cannot be built.

    What else reads the settings of the stage relies on there being none.
    """
    problems = list(setting_problems(stage.cfg))
    if trains(stage) and not problems:
        problems = [
            f'{stage.cfg.filename}: {key} is missing: a training needs it'
            for key in _NEEDED
            if not _at(stage.cfg, key)
        ][:1] or _unbuilt(stage)
    return [Finding('bad', 'config', problem) for problem in problems]


def _at(cfg: Config, key: str) -> Any:
    value: Any = cfg
    for part in key.split('.'):
        value = (value or {}).get(part)
    return value


def check_plan(stage: TrainingStage) -> list[Finding]:
    """What does not go together in a training whose settings are in order by themselves."""
    found = []
    try:
        check_data(stage.cfg)
    except Exception as error:  # of a class that is not there, or of arguments of the wrong kind
        found.append(Finding('bad', 'data', one_line(error)))
    if trains(stage):
        found += _schedules(stage)
        found += _weights(stage.cfg)
    if not found:
        found.append(Finding('good', 'config', f'{stage.name}: settings are in order'))
    return found


def _weights(cfg: Config) -> Iterator[Finding]:
    """Are the files there that the training starts from? What is to be downloaded is not tried."""
    named = [('load_from', cfg.get('load_from'))]
    for part in dicts_in(cfg.model):
        named.append(('pretrained', part.get('pretrained')))
        if part.get('type') == 'Pretrained':
            named.append(('init_cfg.checkpoint', part.get('checkpoint')))
    for key, file in dict.fromkeys(each for each in named if isinstance(each[1], str)):
        local = '://' not in file and not file.startswith('stage:')
        if local and not Path(file).is_file():
            text = f'{cfg.filename}: {key}: there is no file {file}: correct the path'
            yield Finding('bad', 'config', text)


def _schedules(stage: TrainingStage) -> Iterator[Finding]:
    """Do the learning rates end when the training does?"""
    length = stage.cfg.train_cfg.get('max_iters')
    for name, schedule in _lists(stage.cfg.get('param_scheduler')):
        schedule = [each for each in schedule if not each.get('convert_to_iter_based')]
        by_epoch = [each.type for each in schedule if each.get('by_epoch', _counts_epochs(each))]
        if length and by_epoch:
            text = f'{stage.name}: {by_epoch[0]} in param_scheduler{name} counts epochs, and a training by '
            yield Finding('warning', 'config', f'{text}iterations has one: set its by_epoch=False')
            continue
        falling = {each.get('end', length): each.type for each in schedule if not _rises(each)}
        last = max((end for end in falling if isinstance(end, int)), default=None)
        if not length or last is None or abs(last - length) <= 1:
            continue
        what = 'stop falling before the training ends'
        if last > length:
            what = 'have not fallen when it ends'
        text = f'{stage.name}: learning rates{name} end at iteration {last:,}, the training at {length:,}, so '
        text += f'they {what}: set `end` of {falling[last]} in param_scheduler to {length + 1}'
        yield Finding('warning', 'config', text)


def _rises(scheduler: Mapping[str, Any]) -> bool:
    """Whether it is a warm-up, after which the rate stays."""
    if scheduler.get('type') == 'LinearLR':
        return scheduler.get('start_factor', 1 / 3) <= scheduler.get('end_factor', 1)
    return scheduler.get('type') == 'ConstantLR'


def _counts_epochs(scheduler: Mapping[str, Any]) -> bool:
    """What mmengine takes `by_epoch` for, where it is not said; ours count iterations."""
    return scheduler.get('type') != 'LinearDecayLR'


def _lists(schedulers: Any) -> Iterator[tuple[str, list]]:
    """Schedulers by what they are of: `` of segmentor``, or nothing for all."""
    if isinstance(schedulers, Mapping) and 'type' not in schedulers:
        for name, own in schedulers.items():
            yield from ((f' of {name}', each) for _, each in _lists(own))
    elif schedulers:
        yield '', [schedulers] if isinstance(schedulers, Mapping) else list(schedulers)


def _unbuilt(stage: TrainingStage) -> list[str]:
    """Why the model, or its optimizers, cannot be built, if so."""
    cfg = Config(stage.cfg.to_dict(), filename=stage.cfg.filename)
    for part in dicts_in(cfg.optim_wrapper):
        if 'AmpOptimWrapper' in str(part.get('type')):  # is built on a GPU alone
            part.type = 'OptimWrapper'
            for key in ('loss_scale', 'dtype'):
                part.pop(key, None)
    try:
        model = build_model(cfg)
        if hasattr(model.data_preprocessor, 'require_sizes'):  # ours
            model.data_preprocessor.require_sizes()
        with config_errors(cfg):
            build_optim_wrapper(model, cfg.optim_wrapper)
    except Exception as error:  # a class may raise anything
        return [f'{stage.name}: cannot be built: {one_line(error)}']
    return []
