"""A weight that changes in the course of a training."""

import math
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_da.errors import UserError
from mmseg_da.registry import HOOKS


@HOOKS.register_module()
class LossWeightHook(Hook):
    """Sets the ``loss_weight`` of one objective by the iteration.

    The weight of an iteration depends on its number alone, so a resume goes on exactly. While it is
    0 the objective is computed all the same: its images still move batch-norm statistics, as in
    the released code of FDA, which switches its entropy on this way.

    Args:
        objective: Its name in ``model.objectives``.
        weights: Weight by the number of iterations that are done before it holds: ``{0: 0.0, 50000:
            0.005}`` trains 50,000 iterations without the loss. Before the smallest number it is the
            objective's own.

    Raises:
        UserError: A number or weight is negative or none; or, when the training starts, the model
            has no such objective.
    """

    def __init__(self, objective: str, weights: Mapping[int, float]) -> None:
        self.objective = objective
        self.weights = dict(sorted(_parsed(weights).items()))

    def before_train(self, runner: Runner) -> None:
        """Look for the objective, and note the weight that it has of its own."""
        known = getattr(_plain(runner), 'objectives', {})
        if self.objective not in known:
            raise UserError(
                f'LossWeightHook: model.objectives has no {self.objective!r}, only {sorted(known)}'
            )
        self._own = known[self.objective].loss_weight

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Set the weight of this iteration."""
        objective = _plain(runner).objectives[self.objective]
        weight = self.weight_at(runner.iter, self._own)
        if weight != objective.loss_weight:
            runner.logger.info(
                f'model.objectives.{self.objective}.loss_weight is {weight:g} from iteration '
                f'{runner.iter + 1} on'
            )
            objective.loss_weight = weight

    def after_train(self, runner: Runner) -> None:
        """Put the objective's own weight back."""
        _plain(runner).objectives[self.objective].loss_weight = self._own

    def weight_at(self, iteration: int, own: float) -> float:
        """The weight after so many iterations."""
        return ([own] + [w for start, w in self.weights.items() if start <= iteration])[-1]


def _plain(runner: Runner) -> Any:
    return getattr(runner.model, 'module', runner.model)


def _parsed(weights: Any) -> dict[int, float]:
    """Numbers, also of keys that the command line gives as words."""
    try:
        parsed = {int(start): float(weight) for start, weight in weights.items()}
    except (AttributeError, TypeError, ValueError):
        parsed = {}
    if not parsed or min(parsed) < 0 or not all(0 <= w < math.inf for w in parsed.values()):
        raise UserError(
            f'LossWeightHook: weights={weights!r} must be a dict of weights by iteration, such as '
            '{0: 0.0, 50000: 0.005}, none of them negative'
        )
    return parsed
