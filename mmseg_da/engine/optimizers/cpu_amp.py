"""Mixed precision where there is no GPU."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """mmengine's ``AmpOptimWrapper`` for the CPU: bfloat16, which needs no loss scaling.

    mmengine's own refuses to work without a GPU. A training on the CPU gets this one in its place,
    so that a mixed-precision config can be tried where there is none, and a checkpoint of either
    resumes with the other.

    Args:
        loss_scale: Taken and not used, so that the same config serves both.
        dtype: ``'bfloat16'``, the only one here.
        **kwargs: As ``OptimWrapper``.

    Raises:
        UserError: Another ``dtype``.
    """

    def __init__(
        self, loss_scale: Any = None, dtype: str | torch.dtype | None = None, **kwargs: Any
    ) -> None:
        if dtype not in (None, 'bfloat16', torch.bfloat16):
            raise UserError(
                f'optim_wrapper.dtype is {dtype!r}, but on the CPU mixed precision is bfloat16 only: '
                'leave `dtype` out, or train on a GPU'
            )
        super().__init__(**kwargs)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast to bfloat16; without synchronisation of gradients between two updates."""
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield


def for_this_machine(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """The config of an optimizer wrapper, with ours for mmengine's mixed precision on the CPU."""
    if cfg.get('type') == 'AmpOptimWrapper' and get_device() == 'cpu':
        return dict(cfg, type='CpuAmpOptimWrapper')
    return dict(cfg)
