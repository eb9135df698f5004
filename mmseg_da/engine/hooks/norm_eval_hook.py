"""Heads whose batch norm keeps the statistics that they start from."""

from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmseg_da.engine.fitting import segmentor_of
from mmseg_da.errors import UserError
from mmseg_da.registry import HOOKS


@HOOKS.register_module()
class NormEvalHook(Hook):
    """Holds the batch norms of parts of the segmentor in evaluation mode while it trains.

    Images are normalised by the running statistics, which do not move; gamma and beta train. A few
    images say little about statistics, those of a large source much. mmseg's ``norm_eval=True`` does
    the same for a backbone alone.

    Loops put the whole model into training mode before each iteration, so this acts in each.

    Args:
        parts: Names of modules of the segmentor. By default all of its heads.

    Raises:
        UserError: At the start of a training: the segmentor has no such part, or no batch norm in it.
    """

    def __init__(self, parts: Sequence[str] | None = None) -> None:
        self.parts = None if parts is None else [parts] if isinstance(parts, str) else list(parts)
        self._norms: list[nn.Module] = []

    def before_train(self, runner: Runner) -> None:
        """Find the batch norms."""
        known = dict(segmentor_of(runner.model).named_children())
        names = self.parts
        if names is None:
            names = [name for name in known if name.endswith('head')]
        for name in names:
            if name not in known:
                raise UserError(
                    f'NormEvalHook: the segmentor has no part {name!r}; it has {", ".join(known)}'
                )
        self._norms = [
            module
            for name in names
            for module in known[name].modules()
            if isinstance(module, _BatchNorm)
        ]
        if not self._norms:
            raise UserError(
                f'NormEvalHook: there is no batch norm in {", ".join(names) or "the segmentor"}: remove '
                'the hook, or set its `parts`'
            )
        runner.logger.info(
            f'NormEvalHook: the statistics of {len(self._norms)} batch norms in {", ".join(names)} '
            'do not move.'
        )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Set their mode."""
        for norm in self._norms:
            norm.eval()
