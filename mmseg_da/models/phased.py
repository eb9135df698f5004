"""Training in phases: the one step that every method of this package shares."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn


@dataclass(frozen=True)
class Stage:
    """One forward and one backward of a phase.

    Attributes:
        phase: Name of the phase it belongs to.
        views: What it back-propagates through, such as ``('target',)``.
        terms: Names of the objectives that it computes, in order.
        judged: The domains whose outputs rivals judge in it; empty where they judge all at once.
    """

    phase: str
    views: tuple[str, ...]
    terms: tuple[str, ...]
    judged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Phase:
    """Trains one part: its stages' gradients add up, then the part is updated once.

    Attributes:
        name: What logs call it.
        part: The part it trains. A part may have several phases.
        stages: At least one, in order.
    """

    name: str
    part: str
    stages: tuple[Stage, ...]


class PhasedModel(BaseModel):
    """A model of several parts, each with an optimizer of its own, trained in phases.

    A subclass names its parts and phases and computes the losses of a stage; the loop below is the
    only training step. Each stage is exactly one forward through ``run``, which is the model itself
    or the distributed wrapper around it, so gradients are synchronised by torch alone.
    """

    @abstractmethod
    def parts(self) -> dict[str, nn.Module]:
        """The trainable sub-modules by name. Each needs an optimizer of that name."""

    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """What one iteration does, in order."""

    def begin_update(self) -> None:
        """Called before the first batch of each update; with accumulated gradients, not each batch."""

    @abstractmethod
    def begin_step(self, data: Any) -> Any:
        """Make the step's state from preprocessed data."""

    @abstractmethod
    def stage_losses(self, step: Any, stage: Stage) -> dict[str, Tensor]:
        """The losses of one stage. Keys that contain ``loss`` are summed, others only logged."""

    def end_stage(self, step: Any, stage: Stage) -> None:
        """Called after the stage's backward: free what only it needed."""

    def pictures(self, data: Any) -> dict[str, dict[str, Tensor]]:
        """What to look at while it trains; ``AdaptationViewHook`` draws it.

        Called between two steps, in evaluation mode and without gradient. It must leave the model
        as it is, so it is no place for ``begin_step``.

        Args:
            data: Preprocessed data, as ``begin_step`` takes it.

        Returns:
            Rows by name, each of columns by title: images (N, 3, H, W) as floats, RGB in [0, 255],
            or label maps (N, H, W) as integers, 255 where ignored. Empty, as here: draw nothing.
        """
        return {}

    def forward(
        self, inputs: Any, data_samples: list | None = None, mode: Stage | str = 'tensor'
    ) -> Any:
        """One stage of training, or whatever else ``mode`` asks of the subclass."""
        if isinstance(mode, Stage):
            return self.stage_losses(inputs, mode)
        if mode == 'loss':
            raise RuntimeError(
                f'{type(self).__name__} trains in phases and has no single loss: set '
                "model_wrapper_cfg=dict(type='mmseg.PhasedDDP') for distributed training"
            )
        return self.forward_inference(inputs, data_samples, mode)

    @abstractmethod
    def forward_inference(self, inputs: Any, data_samples: list | None, mode: str) -> Any:
        """mmengine's modes ``'tensor'`` and ``'predict'``."""

    def train_step(
        self,
        data: Any,
        optim_wrapper: OptimWrapper | OptimWrapperDict,
        run: nn.Module | None = None,
    ) -> dict[str, Tensor]:
        """Run every phase once on one batch.

        Args:
            data: A batch as the data loader collates it.
            optim_wrapper: One wrapper per part; a single one where there is a single part.
            run: The distributed wrapper around this model, if there is one.

        Returns:
            Detached scalars to log: every stage's losses, and ``<phase>.loss`` for their sum.
        """
        run = self if run is None else run
        first = self._wrapper_of(next(iter(self.phases())).part, optim_wrapper)
        if first._inner_count % first._accumulative_counts == 0:
            self.begin_update()
        step = self.begin_step(self.data_preprocessor(data, training=True))
        log_vars: dict[str, Tensor] = {}
        for phase in self.phases():
            wrapper = self._wrapper_of(phase.part, optim_wrapper)
            total = f'{phase.name}.loss'
            with self.only(phase.part):
                for stage in phase.stages:
                    last = stage is phase.stages[-1]
                    with _stage_context(wrapper, run, last):
                        losses = run(step, mode=stage)
                    if not any('loss' in key for key in losses):
                        raise ValueError(
                            f'{stage.terms} gave no loss in phase {stage.phase}: a value counts '
                            'as one if its name contains "loss"'
                        )
                    loss, logs = self.parse_losses(losses)
                    _backward(wrapper, loss, last)
                    self.end_stage(step, stage)
                    logs = {key: value.detach() for key, value in logs.items()}
                    logs[total] = logs.pop('loss') + log_vars.get(total, 0.0)
                    log_vars.update(logs)
        return log_vars

    @contextmanager
    def only(self, part: str) -> Iterator[None]:
        """Freeze every other part that is trainable, and thaw exactly those parameters again."""
        others = [
            parameter
            for name, module in self.parts().items()
            if name != part
            for parameter in module.parameters()
            if parameter.requires_grad
        ]
        try:
            for parameter in others:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter in others:
                parameter.requires_grad_(True)

    def _wrapper_of(
        self, part: str, optim_wrapper: OptimWrapper | OptimWrapperDict
    ) -> OptimWrapper:
        if isinstance(optim_wrapper, OptimWrapperDict):
            return optim_wrapper[part]
        if len(self.parts()) > 1:
            raise ValueError(
                f'this model trains {sorted(self.parts())}, each with an optimizer of its own: set '
                "optim_wrapper=dict(constructor='PartwiseOptimWrapperConstructor', ...)"
            )
        return optim_wrapper


@contextmanager
def _stage_context(wrapper: OptimWrapper, run: nn.Module, last: bool) -> Iterator[None]:
    """Precision as the wrapper sets it; gradients are synchronised in the last stage only."""
    with ExitStack() as stack:
        if not last and hasattr(run, 'no_sync'):
            stack.enter_context(run.no_sync())
        stack.enter_context(wrapper.optim_context(run))
        yield


def _backward(wrapper: OptimWrapper, loss: Tensor, last: bool) -> None:
    """Back-propagate one stage; the last one also counts, and updates when it is due.

    mmengine takes every ``backward`` for one step of gradient accumulation, but the stages of a
    phase are one step together, so the earlier ones are taken off its count again.
    """
    if last:
        wrapper.update_params(loss)
        return
    wrapper.backward(wrapper.scale_loss(loss))
    wrapper._inner_count -= 1
