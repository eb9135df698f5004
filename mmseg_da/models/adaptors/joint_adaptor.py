"""Translation, segmentation and alignment in one loss."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.functional import from_unit_range, to_unit_range
from mmseg_da.models.adaptors.domain_adaptor import DISCRIMINATORS, DomainAdaptor
from mmseg_da.models.data_preprocessor import require_whole
from mmseg_da.models.phased import Phase, Stage
from mmseg_da.models.translators import CycleTranslator
from mmseg_da.models.translators.cycle import DOMAINS, Round, labels_of
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step, predict_labels

NETWORKS = 'networks'
_UNIT_RANGE = dict(
    type='DomainPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True, size=(1, 1)
)


@dataclass(eq=False)
class JointRound:
    """What one iteration of joint training knows: the step of the segmentor, the translator's round."""

    step: Step
    cycle: Round


@MODELS.register_module()
class JointAdaptor(DomainAdaptor):
    """A ``DomainAdaptor`` that trains its translator at the same time, with one loss for both.

    The complete objective of CyCADA (Hoffman et al., 2018, section 3, equation 5), which its
    authors trained in stages: generators and segmentor are one part, ``networks``, and the
    segmentor's losses on translated source images reach the generator. Stages: ``source`` (the
    source translated, judged, translated back, segmented), ``target``, and ``identity``; then all
    discriminators, of images and of outputs, in one phase. Predicts as the segmentor does.

    Args:
        segmentor: As ``DomainAdaptor``.
        objectives: As ``DomainAdaptor``; each back-propagates through one view. The names ``source``
            and ``target`` are the translator's.
        translator: Arguments of ``CycleTranslator``, without ``data_preprocessor``.
        **others: As ``DomainAdaptor``.

    Raises:
        UserError: As those two, or an objective needs both views or has a taken name.
    """

    def __init__(self, segmentor: dict, objectives: dict, translator: dict, **others: Any) -> None:
        super().__init__(segmentor, objectives, **others)
        for name, objective in self.objectives.items():
            views = set(objective.views)
            if name in DOMAINS or len(views) != 1 or not views <= set(DOMAINS):
                raise UserError(
                    f'model.objectives.{name}: JointAdaptor takes objectives of one view, the source '
                    f'or the target (this one has {list(objective.views)}), not named source or target'
                )
        cfg = dict(translator, type='CycleTranslator', data_preprocessor=_UNIT_RANGE)
        self.cycle: CycleTranslator = MODELS.build(cfg)
        if self.cycle.semantics is not None and not self.cycle.semantics.frozen:
            raise UserError('model.translator.semantics: JointAdaptor takes a frozen segmentor')
        self._phases = self._joint_plan(others.get('backward', 'stages') == 'stages')

    def parts(self) -> dict[str, nn.Module]:
        generators = self.cycle.generators if hasattr(self, 'cycle') else {}
        networks = nn.ModuleDict({'segmentor': self.segmentor, **dict(generators)})
        judges = {f'images_{name}': self.cycle.discriminators[name] for name in DOMAINS}
        return {
            NETWORKS: networks,
            DISCRIMINATORS: nn.ModuleDict({**self._rivals(), **judges}),
        }

    def _joint_plan(self, by_stages: bool) -> tuple[Phase, ...]:
        stages = [Stage(NETWORKS, (view,), (view, *self._objectives_of(view))) for view in DOMAINS]
        if self.cycle.has_identity:
            stages.append(Stage(NETWORKS, (), ('identity',)))
        if not by_stages:
            terms = tuple(term for stage in stages for term in stage.terms)
            stages = [Stage(NETWORKS, DOMAINS, terms)]
        judge = Stage(DISCRIMINATORS, (), (*self._rivals(), 'images'))
        return (
            Phase(NETWORKS, NETWORKS, tuple(stages)),
            Phase(DISCRIMINATORS, DISCRIMINATORS, (judge,)),
        )

    def _views_needed(self) -> tuple[str, ...]:
        return DOMAINS

    def _objectives_of(self, view: str) -> tuple[str, ...]:
        return tuple(name for name, each in self.objectives.items() if view in each.views)

    def begin_step(self, data: dict) -> JointRound:
        require_whole(data)
        step = super().begin_step(data)
        images = self._unit_images(data)
        return JointRound(step, Round(images, labels_of(data['source']['data_samples'])))

    def _unit_images(self, data: dict) -> dict[str, Tensor]:
        """Each domain's images in [-1, 1]."""
        return {
            name: to_unit_range(self.data_preprocessor.to_pixels(data[name]['inputs'], name))
            for name in DOMAINS
        }

    def pictures(self, data: dict) -> dict[str, dict[str, Tensor]]:
        """What the translator shows, and the predictions: of the source on the translated image."""
        images = self._unit_images(data)
        rows = self.cycle.pictures({name: dict(inputs=images[name]) for name in DOMAINS})
        seen = {name: data[name]['inputs'] for name in DOMAINS}
        seen['source'] = self.data_preprocessor.to_images(rows['source']['translated'], 'source')
        for name, row in rows.items():
            row['prediction'] = predict_labels(self.segmentor, seen[name])
        rows['source']['ground truth'] = labels_of(data['source']['data_samples'])
        return rows

    def stage_losses(self, step: JointRound, stage: Stage) -> dict[str, Tensor]:
        if stage.phase == DISCRIMINATORS:
            losses = self.cycle.discriminator_losses(step.cycle)
            return losses | self._of_objectives(self._rivals(), step.step, DISCRIMINATORS)
        losses = {}
        with step.step.opened(stage.views):
            for term in stage.terms:
                losses |= self._network_losses(term, step)
            if self._rivals():
                for name in stage.views:
                    getattr(step.step, name).remember()  # before the networks move
        return losses

    def _network_losses(self, term: str, step: JointRound) -> dict[str, Tensor]:
        if term == 'identity':
            return self.cycle.identity_losses(step.cycle)
        if term not in DOMAINS:
            return self._of_objectives([term], step.step, NETWORKS)
        fake = self.cycle.translate(step.cycle, term)
        if term == 'source':  # which the segmentor learns from, through the generator
            step.step.source.images = self.data_preprocessor.to_images(
                from_unit_range(fake), 'source'
            )
        return self.cycle.translation_losses(step.cycle, term, fake)

    def _of_objectives(self, names: Iterable[str], step: Step, phase: str) -> dict[str, Tensor]:
        return {
            f'{name}.{key}': value
            for name in names
            for key, value in self._losses_of(name, step, phase).items()
        }

    def end_stage(self, step: JointRound, stage: Stage) -> None:
        for name in stage.views:
            view = getattr(step.step, name)
            view.images = view.images.detach()  # of the generator's graph
