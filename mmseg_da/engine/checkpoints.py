"""Checkpoints that are whole or not there."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from mmseg_da.compat.checkpoint import load
from mmseg_da.engine.optimizers.partwise_constructor import wrappers_of
from mmseg_da.errors import UserError

PARTIAL = '.part'


class OtherTrainingError(UserError):
    """A checkpoint is sound, but of a training with other parts."""


def put_in_place(partial: Path, final: Path) -> None:
    """Give a file that is written its name, so that a crash leaves the old one or the new one."""
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(partial, final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def newest_first(work_dir: Path) -> Iterator[Path]:
    """The checkpoints of a folder: what ``last_checkpoint`` names, then by falling iteration."""
    last = work_dir / 'last_checkpoint'
    seen = set()
    if last.is_file():
        named = Path(last.read_text().strip())
        named = named if named.is_file() else work_dir / named.name
        seen.add(named.resolve())
        if named.is_file():
            yield named
    numbered = [p for p in work_dir.glob('iter_*.pth') if p.stem[5:].isdigit()]
    for path in sorted(numbered, key=lambda p: int(p.stem[5:]), reverse=True):
        if path.resolve() not in seen:
            yield path


def gather_gradients(model: nn.Module) -> dict[str, Tensor]:
    """The gradients that accumulate towards the next update, of every process, on the CPU.

    Empty after an update. Each is stacked over the processes (world size, ...), which must all
    call this. A process that has none where others have one adds zeros.
    """
    parameters = _parameters(model)
    there = torch.tensor([float(p.grad is not None) for p in parameters.values()])
    all_reduce(there, op='max')  # all must gather the same ones, or wait for each other for ever
    return {
        name: torch.stack([each.cpu() for each in all_gather(_gradient(parameter))])
        for (name, parameter), some in zip(parameters.items(), there.tolist(), strict=True)
        if some
    }


def _parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """By the same names with a distributed wrapper and without."""
    model = model.module if is_model_wrapper(model) else model
    return dict(model.named_parameters())


def _gradient(parameter: nn.Parameter) -> Tensor:
    none = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
    return none if parameter.grad is None else parameter.grad.contiguous()


def restore_gradients(model: nn.Module, gradients: dict[str, Tensor]) -> None:
    """Put back what :func:`gather_gradients` took; their mean if the processes are not as many."""
    for name, parameter in _parameters(model).items():
        if name in gradients:
            stacked = gradients[name]
            same = len(stacked) == get_world_size()
            own = stacked[get_rank()] if same else stacked.mean(dim=0)
            parameter.grad = own.to(parameter)


def require_settings(optim_wrapper: OptimWrapper | OptimWrapperDict) -> None:
    """See that optimizers have all of their settings after a state was loaded.

    torch takes the parameter groups of an optimizer of any other kind, and fails in the first step.

    Raises:
        ValueError: One lacks some; names them.
    """
    for optimizer in (wrapper.optimizer for wrapper in wrappers_of(optim_wrapper)):
        for group in optimizer.param_groups:
            absent = [name for name in optimizer.defaults if name not in group]
            if absent:
                raise ValueError(f'for {type(optimizer).__name__} it has no {", ".join(absent)}')


def newest_good(paths: Iterable[Path], before: int) -> Path | None:
    """The first of these checkpoints that is readable, older than an iteration, and all finite."""
    for path in paths:
        try:
            checkpoint = load(path, map_location='cpu')
        except UserError:
            continue
        tensors = checkpoint['state_dict'].values()
        finite = all(torch.isfinite(t).all() for t in tensors if t.is_floating_point())
        if finite and checkpoint['meta']['iter'] < before:
            return path
    return None
