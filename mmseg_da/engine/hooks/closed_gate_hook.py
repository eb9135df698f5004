"""Stopping an alignment whose gate stays closed."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_da.models import FeatureAlignment
from mmseg_da.registry import HOOKS


@HOOKS.register_module()
class ClosedGateHook(Hook):
    """Ends a training when the gate of a ``FeatureAlignment`` has been closed for long.

    The released code of CyCADA (Hoffman et al., 2018) stops when the segmentor has not been updated
    for as many iterations as the smaller data set has images: no discriminator is found that is
    worth fooling. The last iteration is saved; a run of several stages goes on with the next one.

    How long a gate has been closed is a buffer of the objective, so a resume counts on. It is read
    when it may have come that far, not in every iteration: that would wait for the device.

    Args:
        patience: Iterations in a row that the gate may be closed.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self._look_at = 0

    def before_train(self, runner: Runner) -> None:
        """Count from zero, unless this is a resume; a training that had ended has ended."""
        self._look_at = 0
        for gate in _gates(runner).values():
            if runner.iter == 0:
                gate.closed_for.zero_()  # of the training that `load_from` names
            elif gate.closed_for >= self.patience:
                runner.train_loop.stop_training = True

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop if it is time."""
        done = runner.iter + 1
        if done < self._look_at:
            return
        closed = {name: int(gate.closed_for) for name, gate in _gates(runner).items()}
        self._look_at = done + self.patience - max(closed.values(), default=0)
        for name, count in closed.items():
            if count >= self.patience:
                runner.train_loop.stop_training = True
                runner.logger.info(
                    f'The gate of model.objectives.{name} has been closed for {count} iterations: '
                    f'training ends after iteration {done}. A lower `gate` opens it sooner.'
                )


def _gates(runner: Runner) -> dict[str, FeatureAlignment]:
    model = getattr(runner.model, 'module', runner.model)
    return {
        name: each
        for name, each in getattr(model, 'objectives', {}).items()
        if isinstance(each, FeatureAlignment) and each.gate is not None
    }
