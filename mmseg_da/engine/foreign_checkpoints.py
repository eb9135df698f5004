"""What a checkpoint of other code holds, and the file that it becomes."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmseg_da.datasets.outputs import require_writable
from mmseg_da.engine.checkpoints import PARTIAL, put_in_place
from mmseg_da.engine.fitting import compare
from mmseg_da.errors import UserError

_STUDENT = 'model.'
_TEACHERS = ('ema_model.', 'mic.teacher.ema_model.')
_IMAGENET = 'imnet_model.'
_OTHERS = ('model_D.', 'mic.')  # rivals, which no segmentor needs
# What predicts nothing and other code lacks: BatchNorm's counter, in files of before torch 0.4.1, and
# the counter of draws in training.
_OURS = re.compile(r'(.*\.)?(num_batches_tracked|draws\.(seed|steps))')


class Networks(NamedTuple):
    """The segmentors in a checkpoint of DAFormer, HRDA or MIC."""

    student: dict[str, Tensor]
    teacher: dict[str, Tensor]
    """Empty if there is none."""
    imagenet: dict[str, Tensor]
    """The frozen network whose features DAFormer compares with; empty if there is none."""
    others: dict[str, int]
    """Number of weights by prefix of what is no segmentor."""


def networks(weights: Mapping[str, Tensor]) -> Networks:
    """Take the networks of a checkpoint of DAFormer, HRDA or MIC apart.

    What belongs to none of them stays with the student, where it is told as unexpected. A plain
    segmentor's are all the student's.
    """
    if not any(name.startswith(_STUDENT) for name in weights):
        return Networks(dict(weights), {}, {}, {})
    held = {prefix: {} for prefix in (_STUDENT, *_TEACHERS, _IMAGENET, *_OTHERS)}
    for name, value in weights.items():
        prefix = next((each for each in held if name.startswith(each)), '')
        held[prefix or _STUDENT][name[len(prefix) :]] = value
    return Networks(
        held[_STUDENT],
        next(filter(None, (held[prefix] for prefix in _TEACHERS)), {}),
        held[_IMAGENET],
        {prefix: len(held[prefix]) for prefix in _OTHERS if held[prefix]},
    )


def fit(
    network: nn.Module, weights: Mapping[str, Tensor], source: str, what: str
) -> dict[str, Tensor]:
    """Weights in the order of a network, which they must fit to the last name and shape.

    Counters, which predict nothing, are the network's if the file has none.

    Args:
        network: The network.
        weights: By its names.
        source: The file, for the message.
        what: The network, for the message.

    Raises:
        UserError: One is missing, unexpected or of another shape; tells them all by kind.
    """
    ours = network.state_dict()
    weights = {name: each for name, each in ours.items() if _OURS.fullmatch(name)} | dict(weights)
    misfits = compare(network, weights)
    if any(misfits):
        raise UserError(f'{source}: does not fit {what} ({misfits}). Nothing was written.')
    return {name: weights[name].detach().clone() for name in ours}


def write(checkpoint: dict[str, Any], target: Path) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        UserError: It cannot be written.
    """
    target = target.absolute()
    partial = target.with_name(f'.{target.name}.{os.getpid()}{PARTIAL}')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.save(checkpoint, partial)
            put_in_place(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # torch tells a full disk as the latter
        raise UserError(f'{target}: cannot be written ({error})') from error


def require_free(source: str, target: Path, force: bool) -> None:
    """See that a file can be written, before the work for it is done.

    Raises:
        UserError: It is there and ``force`` is not given, it is the source, a folder, or cannot be
            written to.
    """
    if target.is_dir():
        raise UserError(f'{target}: DST is a folder; give the name of a file, e.g. mit_b5.pth')
    if Path(source).exists() and Path(source).resolve() == target.resolve():
        raise UserError(f'{target}: DST is SRC; give another name')
    if target.exists() and not force:
        raise UserError(f'{target} is there: choose another name, or --force to replace it')
    require_writable(target.parent, 'DST')
