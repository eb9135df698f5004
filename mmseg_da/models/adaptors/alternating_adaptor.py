"""Rival, fooling, task: an update for each, with a forward of its own."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn
from typing_extensions import Self

from mmseg_da.errors import UserError
from mmseg_da.models.adaptors.domain_adaptor import DISCRIMINATORS, SEGMENTOR, DomainAdaptor
from mmseg_da.models.data_preprocessor import DOMAINS
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

    Args:
        segmentor: As ``DomainAdaptor``.
        objectives: As ``DomainAdaptor``.
        weights_shared: Whether one network sees both domains. If not, source images go through a
            copy of the segmentor that stays as the training found it, in evaluation mode: the
            ADDA of Tzeng et al. (2017), section 4. The copy has nothing to learn, so neither has
            an objective that back-propagates through the source, such as ``SourceSupervision``.
        **others: As ``DomainAdaptor``; ``backward`` has no effect.

    Raises:
        UserError: As ``DomainAdaptor``, or such an objective where weights are not shared.
    """

    def __init__(
        self,
        segmentor: dict,
        objectives: dict[str, dict | None],
        weights_shared: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(segmentor, objectives, **others)
        self.source_segmentor: nn.Module | None = None
        if weights_shared:
            return
        for name, objective in self.objectives.items():
            if 'source' in objective.views:
                raise UserError(
                    f'model.objectives.{name}: with weights_shared=False the source goes through a '
                    f'frozen network, which {type(objective).__name__} cannot train: set it to None'
                )
        self.source_segmentor = copy.deepcopy(self.segmentor).requires_grad_(False).eval()
        # After the hook that gives the weights of a plain segmentor our names.
        self._register_load_state_dict_pre_hook(self._copy_to_source)

    def init_weights(self) -> None:
        """Initialise; the source's network starts as the segmentor does."""
        super().init_weights()
        if self.source_segmentor is not None:
            self.source_segmentor.load_state_dict(self.segmentor.state_dict())

    def train(self, mode: bool = True) -> Self:
        """The source's network stays as in inference."""
        super().train(mode)
        if self.source_segmentor is not None:
            self.source_segmentor.eval()
        return self

    def begin_step(self, data: dict) -> Step:
        step = super().begin_step(data)
        if self.source_segmentor is not None:
            step.source.segmentor = self.source_segmentor
        return step

    @staticmethod
    def _copy_to_source(state_dict: dict, prefix: str, *_: Any) -> None:
        """Where a checkpoint has one network, as `load_from` names, both start from it."""
        ours, copied = f'{prefix}{SEGMENTOR}.', f'{prefix}source_{SEGMENTOR}.'
        if not any(key.startswith(copied) for key in state_dict):
            for key in [key for key in state_dict if key.startswith(ours)]:
                state_dict[copied + key[len(ours) :]] = state_dict[key]

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
            phases.append(Phase(DISCRIMINATORS, DISCRIMINATORS, self._judging()))
        for name in sorted(self.objectives, key=lambda name: name not in rivals):
            stage = Stage(name, tuple(self.objectives[name].views), (name,))
            phases.append(Phase(name, SEGMENTOR, (stage,)))
        return tuple(phases)

    def _judging(self) -> tuple[Stage, ...]:
        """One domain at a time: at image size a rival of points has the largest graph of all."""
        apart = tuple(name for name in self._rivals() if self.objectives[name].judges_apart)
        at_once = tuple(name for name in self._rivals() if name not in apart)
        stages = [Stage(DISCRIMINATORS, (), apart, (each,)) for each in DOMAINS if apart]
        return (*stages, *([Stage(DISCRIMINATORS, (), at_once)] if at_once else []))

    def end_stage(self, step: Step, stage: Stage) -> None:
        for view in step.views().values():
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
