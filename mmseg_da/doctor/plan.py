"""The config against itself and against the machine."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmseg_da.datasets.presence import check_data
from mmseg_da.doctor.findings import Finding
from mmseg_da.engine.memory import GIB, held_bytes, kept_bytes
from mmseg_da.engine.settings import check_settings
from mmseg_da.engine.stage_kinds import TRAIN
from mmseg_da.engine.stages import TrainingStage
from mmseg_da.errors import UserError

_SPARE = 1.2  # of the memory that is computed, for temporary buffers


def check_plan(stage: TrainingStage) -> list[Finding]:
    """What is wrong with the settings of a training, all of it."""
    cfg, found = stage.cfg, []
    for check in (check_settings, check_data):
        found += _caught('config' if check is check_settings else 'data', check, cfg)
    found += list(_schedules(stage))
    found += list(_optimizers(stage))
    if not found:
        found.append(Finding('good', 'config', f'{stage.name}: settings are in order'))
    return found


def _caught(topic: str, check: Callable[[Any], None], cfg: Config) -> list[Finding]:
    try:
        check(cfg)
    except UserError as error:
        return [Finding('bad', topic, str(error))]
    return []


def _schedules(stage: TrainingStage) -> Iterator[Finding]:
    """Do the learning rates end when the training does?"""
    length = (stage.cfg.get('train_cfg') or {}).get('max_iters')
    for name, schedule in _lists(stage.cfg.get('param_scheduler')):
        ends = [each.get('end') for each in schedule if each.get('type') != 'ConstantLR']
        last = max((end for end in ends if isinstance(end, int)), default=None)
        if not length or last is None or abs(last - length) <= 1:
            continue
        what = (
            'stop falling before the training ends'
            if last < length
            else 'have not fallen when it ends'
        )
        text = f'{stage.name}: learning rates{name} end at iteration {last:,}, the training at {length:,}, so '
        yield Finding(
            'warning', 'config', f'{text}they {what}: set `end` of param_scheduler to {length + 1}'
        )


def _lists(schedulers: Any) -> Iterator[tuple[str, list]]:
    if isinstance(schedulers, dict):
        if 'type' in schedulers:
            yield '', [schedulers]
        else:
            yield from ((f' of {name}', list(each)) for name, each in schedulers.items())
    elif schedulers:
        yield '', list(schedulers)


def _optimizers(stage: TrainingStage) -> Iterator[Finding]:
    """Has every part an optimizer, and the other way round?"""
    cfg = stage.cfg
    wrapper = cfg.get('optim_wrapper') or {}
    if wrapper.get('constructor') != 'PartwiseOptimWrapperConstructor':
        return
    objectives = (cfg.model.get('objectives') or {}).values()
    rivals = any((each or {}).get('discriminator') for each in objectives)
    if rivals and not wrapper.get('discriminators'):
        yield Finding(
            'bad',
            'config',
            f'{stage.name}: optim_wrapper has no `discriminators`, which would not learn',
        )
    if not rivals and wrapper.get('discriminators') and cfg.model.type == 'DomainAdaptor':
        text = f'{stage.name}: optim_wrapper.discriminators has nothing to train: remove it'
        yield Finding('bad', 'config', text)


def check_machine(stages: list[TrainingStage]) -> tuple[list[Finding], dict[str, dict[str, float]]]:
    """Memory, disk, processors; and the memory in GiB by stage and part."""
    found, tables = [], {}
    gpus = torch.cuda.device_count()
    if not gpus:
        text = 'no GPU: a training of full size takes weeks here, the configs in configs/small take minutes'
        found.append(Finding('warning', 'machine', text))
    for stage in stages:
        if stage.given is not None or stage.kind != TRAIN:
            continue
        try:
            saved, held = kept_bytes(stage), held_bytes(stage)
        except Exception as error:  # a network that the meta device cannot run says so in many ways
            text = f'{stage.name}: its memory could not be computed ({str(error).splitlines()[0]})'
            found.append(Finding('warning', 'machine', text))
            continue
        rows = {f'backward of {name}': size / GIB for name, size in saved.items()}
        rows |= {name: size / GIB for name, size in held.items()}
        rows['together, at the largest backward'] = (max(saved.values()) + sum(held.values())) / GIB
        tables[stage.name] = rows
        found.append(_memory(stage, rows['together, at the largest backward'], gpus))
    found += _disk(stages, tables)
    return found + _workers(stages), tables


def _memory(stage: TrainingStage, needed: float, gpus: int) -> Finding:
    batch = stage.cfg.train_dataloader.batch_size
    text = f'{stage.name}: about {_size(needed)} for {batch} images of each domain in float32'
    if not gpus:
        return Finding(
            'good', 'machine', f'{text}, computed from shapes; not compared, without a GPU'
        )
    there = min(torch.cuda.get_device_properties(i).total_memory for i in range(gpus)) / GIB
    if needed * _SPARE > there:
        text += f', and a GPU has {there:.1f}: lower batch_size or crops, or --amp (docs/howto/memory.md)'
        return Finding('bad', 'machine', text)
    return Finding('good', 'machine', f'{text}; a GPU has {there:.1f}')


def _size(gib: float) -> str:
    return f'{gib:.1f} GiB' if gib >= 1 else f'{1024 * gib:.0f} MiB'


def _disk(stages: list[TrainingStage], tables: dict[str, dict[str, float]]) -> list[Finding]:
    folder = Path(stages[0].cfg.get('work_dir') or '.').absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free / GIB
    size = max((_checkpoint(rows) for rows in tables.values()), default=0.0)
    hook = (stages[0].cfg.get('default_hooks') or {}).get('checkpoint') or {}
    kept = hook.get('max_keep_ckpts', -1)
    needed = size * (kept + 2 if kept > 0 else 10) * len(tables)
    text = f'checkpoints of about {_size(size)}, {f"{kept} kept" if kept > 0 else "all kept"}; {free:.0f} GiB free'
    if free < needed:
        return [
            Finding('bad', 'machine', f'{text} in {there}: too little; free some, or keep fewer')
        ]
    return [Finding('good', 'machine', text)]


def _checkpoint(rows: dict[str, float]) -> float:
    left_out = ('their gradients', 'together, at the largest backward')
    return sum(v for k, v in rows.items() if not k.startswith('backward') and k not in left_out)


def _workers(stages: list[TrainingStage]) -> list[Finding]:
    asked = stages[0].cfg.train_dataloader.get('num_workers', 0)
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    )
    gpus = max(torch.cuda.device_count(), 1)
    if asked * gpus > 2 * cores:
        text = f"{asked} workers for each of {gpus} processes on {cores} cores: they get in each other's way; "
        return [Finding('warning', 'machine', f'{text}set train_dataloader.num_workers lower')]
    return [Finding('good', 'machine', f'{asked} workers on {cores} cores')]
