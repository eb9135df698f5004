"""The config against the machine."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch

from mmseg_da.doctor.findings import Finding, one_line
from mmseg_da.engine.memory import GIB, held_bytes, kept_bytes
from mmseg_da.engine.stages import TrainingStage

_SPARE = 1.2  # of the memory that is computed, for temporary buffers
_UNKNOWN = 10  # checkpoints, where their number is not known


def check_machine(stages: list[TrainingStage]) -> tuple[list[Finding], dict[str, dict[str, float]]]:
    """Memory, disk, processors; and the memory in GiB by stage and part.

    Args:
        stages: Those that train, whose settings are in order.
    """
    found, tables = [], {}
    gpus = torch.cuda.device_count()
    if not gpus:
        text = 'no GPU: a training of full size takes weeks here, the configs in configs/small take minutes'
        found.append(Finding('warning', 'machine', text))
    for stage in stages:
        try:
            saved, held = kept_bytes(stage), held_bytes(stage)
        except Exception as error:  # a network that the meta device cannot run says so in many ways
            text = f'{stage.name}: its memory could not be computed ({one_line(error)})'
            found.append(Finding('warning', 'machine', text))
            continue
        rows = {f'backward of {name}': size / GIB for name, size in saved.items()}
        rows |= {name: size / GIB for name, size in held.items()}
        rows['together, at the largest backward'] = (max(saved.values()) + sum(held.values())) / GIB
        tables[stage.name] = rows
        found.append(_memory(stage, rows['together, at the largest backward'], gpus))
    if stages:
        found += [_disk(stages, tables), _workers(stages, gpus)]
    return found, tables


def _memory(stage: TrainingStage, needed: float, gpus: int) -> Finding:
    batch = stage.cfg.train_dataloader.get('batch_size', 1)
    text = f'{stage.name}: about {_size(needed)} at batch_size={batch} in float32'
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


def _disk(stages: list[TrainingStage], tables: Mapping[str, Mapping[str, float]]) -> Finding:
    folder = Path(stages[0].cfg.get('work_dir') or '.').absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free / GIB
    known = [stage for stage in stages if stage.name in tables]
    if not known:
        text = f'how large checkpoints are is not known, as memory is not; {free:.0f} GiB free'
        return Finding('good', 'machine', text)
    size = max(_checkpoint(tables[stage.name]) for stage in known)
    needed = sum(_checkpoint(tables[stage.name]) * _number(stage) for stage in known)
    text = (
        f'checkpoints of up to {_size(size)}, together about {_size(needed)}; {free:.0f} GiB free'
    )
    if free < needed:
        text = f'{text} in {there}: too little; free some, or keep fewer (default_hooks.checkpoint)'
        return Finding('bad', 'machine', text)
    return Finding('good', 'machine', text)


def _number(stage: TrainingStage) -> int:
    """Checkpoints of a stage that lie on the disk at the same time."""
    hook = (stage.cfg.get('default_hooks') or {}).get('checkpoint') or {}
    kept, length = hook.get('max_keep_ckpts', -1), stage.cfg.train_cfg.get('max_iters')
    if kept > 0:
        return kept + 2  # one is being written, one is the best
    interval = hook.get('interval', -1)
    if length is None or hook.get('by_epoch', length is None):
        return _UNKNOWN
    return length // interval + 1 if interval > 0 else 1


def _checkpoint(rows: dict[str, float]) -> float:
    left_out = ('their gradients', 'together, at the largest backward')
    return sum(v for k, v in rows.items() if not k.startswith('backward') and k not in left_out)


def _workers(stages: list[TrainingStage], gpus: int) -> Finding:
    asked = max(stage.cfg.train_dataloader.get('num_workers', 0) for stage in stages)
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    )
    processes = max(gpus, 1)
    if asked * processes > 2 * cores:
        text = f"{asked} workers for each of {processes} processes on {cores} cores: they get in each other's way; "
        return Finding('warning', 'machine', f'{text}set train_dataloader.num_workers lower')
    return Finding('good', 'machine', f'{asked} workers on {cores} cores')
