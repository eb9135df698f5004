"""Rival, fooling, task: an update for each, with a forward of its own."""

import itertools
from collections.abc import Iterator
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.models.adaptors.domain_adaptor import DISCRIMINATORS, SEGMENTOR, DomainAdaptor
from mmseg_da.models.objectives import FeatureAlignment
from mmseg_da.models.phased import Phase, Stage
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step


@MODELS.register_module()
class AlternatingAdaptor(DomainAdaptor):
    """A ``DomainAdaptor`` that trains in the order of CyCADA's released code.

    First the discriminators; then, if the gate of every objective that has one is open, one update
    of the segmentor per objective: those with a rival first, then the others. Each phase runs the
    segmentor anew, so BatchNorm sees each image up to twice. ``DomainAdaptor`` with the same
    objectives shares the forwards instead: less time, other statistics, one update.

    Needs ``accumulative_counts=1``: two updates of one part cannot gather gradients side by side.
    Takes the arguments of ``DomainAdaptor``; ``backward`` has no effect.
    """

    def phases(self) -> Iterator[Phase]:
        """Yields lazily: whether the segmentor is trained depends on the rivals' phase."""
        for name, part_phases in itertools.groupby(self._phases, key=lambda phase: phase.part):
            if name == SEGMENTOR and not self._gates_are_open():
                return
            yield from part_phases

    def _gates_are_open(self) -> bool:
        gated = [each for each in self.objectives.values() if isinstance(each, FeatureAlignment)]
        return all(each.is_open() for each in gated)

    def _plan(self, by_stages: bool) -> tuple[Phase, ...]:
        rivals = self._rivals()
        phases = []
        if rivals:
            stage = Stage(DISCRIMINATORS, (), tuple(rivals))
            phases.append(Phase(DISCRIMINATORS, DISCRIMINATORS, (stage,)))
        for name in sorted(self.objectives, key=lambda name: name not in rivals):
            stage = Stage(name, tuple(self.objectives[name].views), (name,))
            phases.append(Phase(name, SEGMENTOR, (stage,)))
        return tuple(phases)

    def end_stage(self, step: Step, stage: Stage) -> None:
        for view in filter(None, (step.source, step.target)):
            view.forget()

    def train_step(
        self,
        data: Any,
        optim_wrapper: OptimWrapper | OptimWrapperDict,
        run: nn.Module | None = None,
    ) -> dict[str, Tensor]:
        """As ``PhasedModel``.

        Raises:
            UserError: Gradients are accumulated.
        """
        wrapper = self._wrapper_of(SEGMENTOR, optim_wrapper)
        if wrapper._accumulative_counts > 1:
            raise UserError(
                f'optim_wrapper: {type(self).__name__} updates the segmentor once per objective, so '
                'it cannot accumulate gradients: set accumulative_counts=1, or use DomainAdaptor'
            )
        return super().train_step(data, optim_wrapper, run)
