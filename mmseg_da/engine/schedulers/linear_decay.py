"""The learning rate of CycleGAN."""

from typing import Any

from mmengine.optim import OptimWrapper, _ParamScheduler
from torch.optim import Optimizer

from mmseg_da.errors import UserError
from mmseg_da.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class LinearDecayLR(_ParamScheduler):
    """Constant for some epochs, then linear to zero (Zhu et al., 2017, section 7.1).

    The rate of epoch e = iteration // ``epoch_iters``, from 0, is the optimizer's own times
    ``1 - max(0, e + 2 - constant) / (decay + 1)``, and zero when that is over. This is the rule of
    the released PyTorch code: the rate falls already in the last of the constant epochs, and is
    zero in the last of all. It is a function of the iteration alone, so a resume goes on exactly.

    Args:
        optimizer: Whose ``lr`` it sets; filled in by the runner.
        constant: Epochs before the decay.
        decay: Epochs of the decay.
        epoch_iters: Iterations that count as an epoch. Not called `epoch_length`, which
            mmengine takes away.
        begin: Iteration at which the first epoch begins. The rate is not touched before.
        end: Has no effect, as the decay ends by itself; the runner fills it in.
        by_epoch: Must be ``False``: it is stepped by iterations.
        **kwargs: ``last_step`` and ``verbose``, as in mmengine.

    Raises:
        UserError: A length is not positive, or ``by_epoch`` is true.
    """

    def __init__(
        self,
        optimizer: OptimWrapper | Optimizer,
        constant: int,
        decay: int,
        epoch_iters: int,
        begin: int = 0,
        end: int | None = None,
        by_epoch: bool = False,
        **kwargs: Any,
    ) -> None:
        if by_epoch:
            raise UserError(
                'LinearDecayLR is stepped by iterations: set by_epoch=False; its epochs are of '
                '`epoch_iters` iterations'
            )
        if constant < 0 or decay < 1 or epoch_iters < 1:
            raise UserError(
                f'LinearDecayLR: constant={constant} must not be negative, decay={decay} and '
                f'epoch_iters={epoch_iters} must be 1 or more'
            )
        self.constant, self.decay, self.epoch_iters = constant, decay, epoch_iters
        super().__init__(optimizer, 'lr', begin=begin, by_epoch=False, **kwargs)

    def factor(self, epoch: int) -> float:
        """What the rate is multiplied with in an epoch, counted from 0."""
        return max(0.0, 1.0 - max(0, epoch + 2 - self.constant) / (self.decay + 1))

    def _get_value(self) -> list[float]:
        factor = self.factor(self.last_step // self.epoch_iters)
        return [base * factor for base in self.base_values]
