"""A backbone that thaws stage by stage within one training."""

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmseg_da.engine.fitting import segmentor_of
from mmseg_da.engine.optimizers.partwise_constructor import wrappers_of
from mmseg_da.errors import UserError
from mmseg_da.registry import HOOKS


@HOOKS.register_module()
class UnfreezeHook(Hook):
    """Changes which stages of the segmentor's backbone are frozen while it trains.

    Before the iterations that are named, it sets the backbone's ``frozen_stages`` and applies it as
    mmseg does at the start: frozen stages get no gradient, and their batch norm keeps its statistics.
    What the config itself has frozen, such as gamma and beta by ``norm_cfg.requires_grad=False``,
    stays so. A resumed training has the stages of its iteration.

    The optimizer has every parameter from the start, so ``frozen_stages`` of the config must be -1;
    one without gradient gets no update, no momentum and no weight decay. Several processes need
    ``find_unused_parameters=True`` in ``model_wrapper_cfg``.

    Args:
        stages: ``frozen_stages`` by the iteration from which it holds, as in
            ``{0: 3, 1000: 1, 2000: -1}``: at first the stem and stages 1 to 3 are frozen, then the
            stem and stage 1, then nothing.

    Raises:
        UserError: An iteration or a number of stages that is none, no entry for 0; at the start of a
            training a backbone that cannot freeze these stages or is frozen by the config, an
            optimizer without its parameters, or a distributed wrapper that cannot follow.
    """

    priority = 'HIGH'

    def __init__(self, stages: Mapping[int, int]) -> None:
        try:
            # Configs that went through JSON or the command line have strings for keys.
            self.stages = {
                int(at): number for at, number in sorted(dict(stages).items(), key=_first)
            }
        except (TypeError, ValueError):
            self.stages = {}
        numbers = self.stages.values()
        right = all(type(number) is int and number >= -1 for number in numbers)
        if 0 not in self.stages or min(self.stages) < 0 or not right:
            raise UserError(
                f'UnfreezeHook: stages is {stages!r}, but has to be a dict of frozen_stages (-1 or more) by '
                'iteration, from 0 on, such as {0: 3, 1000: -1}'
            )
        self._trainable: list[nn.Parameter] = []
        self._now: int | None = None

    def before_train(self, runner: Runner) -> None:
        """See that backbone, optimizer and wrapper can follow."""
        backbone = segmentor_of(runner.model).backbone
        self._trainable = [each for each in backbone.parameters() if each.requires_grad]
        self._now = None
        if getattr(backbone, 'frozen_stages', None) != -1:
            has = getattr(backbone, 'frozen_stages', 'no `frozen_stages`')
            raise UserError(
                f'UnfreezeHook: it sets the frozen_stages of {type(backbone).__name__}, which is {has} at '
                'the start: it has to be -1 in the config, or the optimizer lacks what thaws later'
            )
        for number in set(self.stages.values()):
            try:
                self._freeze(backbone, number)
            except (AttributeError, IndexError) as error:
                raise UserError(
                    f'UnfreezeHook: {type(backbone).__name__} cannot freeze {number} stages ({error}): '
                    'give a smaller number'
                ) from error
        self._freeze(backbone, -1)
        self._require_optimized(runner)
        if getattr(runner.model, 'find_unused_parameters', True) is False:
            raise UserError(
                'UnfreezeHook: frozen stages are unused parameters to the distributed wrapper: set '
                'model_wrapper_cfg.find_unused_parameters=True'
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Freeze and thaw if it is time."""
        number = self.stages[max(at for at in self.stages if at <= runner.iter)]
        if number == self._now:
            return
        self._now = number
        self._freeze(segmentor_of(runner.model).backbone, number)
        training = sum(each.numel() for each in self._trainable if each.requires_grad)
        frozen = sum(each.numel() for each in self._trainable) - training
        runner.logger.info(
            f'UnfreezeHook: from iteration {runner.iter} on frozen_stages is {number}: of the '
            f'backbone {training} parameters train, {frozen} are frozen.'
        )

    def _freeze(self, backbone: nn.Module, number: int) -> None:
        for parameter in self._trainable:
            parameter.requires_grad_(True)
        backbone.frozen_stages = number
        backbone.train(backbone.training)  # which is where mmseg freezes

    def _require_optimized(self, runner: Runner) -> None:
        optimized = {
            id(parameter)
            for wrapper in wrappers_of(runner.optim_wrapper)
            for group in wrapper.optimizer.param_groups
            for parameter in group['params']
        }
        absent = sum(id(parameter) not in optimized for parameter in self._trainable)
        if absent:
            raise UserError(
                f'UnfreezeHook: the optimizer lacks {absent} parameters of the backbone, so they would '
                'not train when they thaw: give it all of them'
            )


def _first(item: tuple[Any, Any]) -> int:
    return int(item[0])
