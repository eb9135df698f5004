"""A slow copy of the segmentor, which teaches it."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.structures import Teaching

BATCH_NORMS = ('own', 'copied', 'averaged')
_RANDOM = ('DropPath', 'StochasticDepth', 'PatchDropout')


class EmaTeacher(nn.Module):
    """The running mean of a segmentor's weights: the mean teacher.

    Before each update of the segmentor, ``teacher = a * teacher + (1 - a) * segmentor`` with
    ``a = min(1 - 1 / (t + 1), alpha)`` and t the updates so far, so that it starts as a copy: the
    warm-up of DACS (Tranheden et al., 2021) and DAFormer (Hoyer et al., 2022). It has no gradient,
    and what it consists of is in the state dict, so a resume goes on exactly.

    Args:
        segmentor: The network to follow; it is copied, not kept.
        alpha: The highest share of the teacher that stays, in [0, 1).
        batch_norm: ``'own'`` as in both papers: batch-norm layers normalise by the statistics of
            the teacher's batch, and its running statistics are its own. With ``'copied'`` or
            ``'averaged'`` they normalise by running statistics that are those of the segmentor, or
            their mean by the same formula; then an image does not depend on its batch.
        dropout: Leave dropout and stochastic depth on; the papers switch them off.
        predicts: Validation and test ask the teacher; the papers ask the segmentor.
        flips: Pseudo labels are of the mean of an image and its mirror image, at twice the cost: VFM-UDA
            (Englert et al., CVPRW 2024).

    Attributes:
        net: The network.
        steps: Updates so far, int64.
        teaching: What it says in the latest iteration, for those who look on.

    Raises:
        UserError: An option is out of its range.
    """

    def __init__(
        self,
        segmentor: nn.Module,
        alpha: float = 0.999,
        batch_norm: str = 'own',
        dropout: bool = False,
        predicts: bool = False,
        flips: bool = False,
    ) -> None:
        super().__init__()
        number = isinstance(alpha, int | float) and not isinstance(alpha, bool)
        if not (number and 0 <= alpha < 1):
            raise UserError(f'model.teacher.alpha is {alpha!r}, but has to be in [0, 1)')
        if batch_norm not in BATCH_NORMS:
            raise UserError(
                f'model.teacher.batch_norm is {batch_norm!r}, none of {list(BATCH_NORMS)}'
            )
        for key, value in dict(dropout=dropout, predicts=predicts, flips=flips).items():
            if not isinstance(value, bool):
                raise UserError(f'model.teacher.{key} is {value!r}, but has to be True or False')
        self.alpha, self.batch_norm = float(alpha), batch_norm
        self.dropout, self.predicts, self.flips = dropout, predicts, flips
        self.net = copy.deepcopy(segmentor).requires_grad_(False)
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))
        self.teaching: Teaching | None = None
        self._register_load_state_dict_pre_hook(self._start_over_unless_fitting)

    def teach(self, images: Tensor) -> Teaching:
        """Be ready to be asked about normalised target images (N, 3, H, W)."""
        self.teaching = Teaching(self.net, images, self.flips)
        return self.teaching

    @torch.no_grad()
    def follow(self, segmentor: nn.Module) -> None:
        """Move towards the segmentor; the first time, become its copy."""
        keep = (1 - 1 / (self.steps.double() + 1)).clamp(max=self.alpha)
        for mine, theirs in zip(self.net.parameters(), segmentor.parameters(), strict=True):
            mine.lerp_(theirs, (1 - keep).to(mine.dtype))
        for mine, theirs in zip(self.net.buffers(), segmentor.buffers(), strict=True):
            mine.copy_(self._followed(mine, theirs, keep))
        self.steps += 1

    def _start_over_unless_fitting(self, state_dict: dict, prefix: str, *_: Any) -> None:
        """Have the next update copy the segmentor, where a file is of other classes, say."""
        for name, value in self.state_dict().items():
            if state_dict.get(prefix + name, value).shape != value.shape:
                state_dict[f'{prefix}steps'] = torch.zeros_like(self.steps)

    def _followed(self, mine: Tensor, theirs: Tensor, keep: Tensor) -> Tensor:
        """A buffer after the update."""
        if self.batch_norm == 'own':
            return torch.where(self.steps == 0, theirs, mine)
        if self.batch_norm == 'averaged' and mine.is_floating_point():
            return torch.lerp(mine, theirs, (1 - keep).to(mine.dtype))
        return theirs

    def train(self, mode: bool = True) -> 'EmaTeacher':
        """Set the mode, which mmengine does in each iteration; what is switched off stays so."""
        super().train(mode)
        for module in self.net.modules():
            if (not self.dropout and _is_random(module)) or (
                self.batch_norm != 'own' and isinstance(module, nn.modules.batchnorm._BatchNorm)
            ):
                module.training = False
        return self


def build_teacher(cfg: dict | None, segmentor: nn.Module) -> EmaTeacher | None:
    """Build the teacher of a segmentor, if there is one.

    Raises:
        UserError: It is no dict, or an argument is unknown or out of its range.
    """
    if cfg is None:
        return None
    if not isinstance(cfg, Mapping):
        raise UserError(f'model.teacher is {cfg!r}, but has to be a dict such as dict(alpha=0.999)')
    known = ('alpha', 'batch_norm', 'dropout', 'predicts', 'flips')
    unknown = sorted(set(cfg) - set(known))
    if unknown:
        raise UserError(f'model.teacher has no {unknown[0]!r}, only {list(known)}')
    return EmaTeacher(segmentor, **cfg)


def with_teacher(state_dict: dict[str, Any], student: str, teacher: str) -> None:
    """Give a checkpoint that has no teacher one, the copy of its segmentor.

    Args:
        state_dict: Changed in place.
        student: Prefix of the segmentor's keys.
        teacher: Prefix of the teacher's.
    """
    if any(key.startswith(teacher) for key in state_dict):
        return
    inner = {key: value for key, value in state_dict.items() if key.startswith(student)}
    for key, value in inner.items():
        state_dict[f'{teacher}net.{key[len(student) :]}'] = value
    if inner:
        state_dict[f'{teacher}steps'] = torch.zeros((), dtype=torch.long)


def _is_random(module: nn.Module) -> bool:
    attention = isinstance(module, nn.MultiheadAttention) and module.dropout > 0
    kinds = nn.modules.dropout._DropoutNd
    return attention or isinstance(module, kinds) or type(module).__name__ in _RANDOM
