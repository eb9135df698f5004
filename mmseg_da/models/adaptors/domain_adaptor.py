"""A segmentor and the objectives that adapt it."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.models.adaptors.building import (
    build_objectives,
    build_translator,
    preprocessor_for,
    require_one_look,
    require_teacher,
)
from mmseg_da.models.data_preprocessor import DOMAINS, LABELLED, require_domains
from mmseg_da.models.phased import Phase, PhasedModel, Stage
from mmseg_da.models.teacher import build_teacher, with_teacher
from mmseg_da.models.translators.cycle import labels_of
from mmseg_da.registry import MODELS
from mmseg_da.structures import Look, Step, View, predict_labels, require_dense

SEGMENTOR, DISCRIMINATORS, TEACHER = 'segmentor', 'discriminators', 'teacher'


@MODELS.register_module()
class DomainAdaptor(PhasedModel):
    """Trains a segmentor on labelled sources and an unlabelled target domain.

    The method is the named dict of objectives. Each iteration has a phase ``segmentor``, and a
    phase ``discriminators`` if an objective has a rival; rivals learn from the outputs of before
    the segmentor's update, as in the papers. Predicts exactly as the segmentor does.

    Args:
        segmentor: Config of any plain mmseg ``EncoderDecoder``. Its ``data_preprocessor`` is taken
            over unless one is given here.
        objectives: Configs by name, in order; ``None`` drops one that a base config had. The names
            prefix what is logged, so they must not contain ``loss``.
        backward: ``'stages'`` back-propagates objectives that share no view one after the other,
            so that memory holds the largest, as the papers do; ``'summed'`` sums them first. The
            gradients are the same.
        translator: Config of a ``Translator`` that gives source images the target's look before
            anything else sees them; their labels stay.
        teacher: Arguments of :class:`mmseg_da.models.teacher.EmaTeacher`, a slow copy of the
            segmentor for the objectives that learn from its predictions.
        data_preprocessor: Config of a ``DomainPreprocessor``; a plain one counts as the segmentor's.
        init_cfg: As in mmengine.
        pretrained: Must be ``None``; ``mmseg.apis.init_model`` sets it, as it does ``train_cfg``.
        train_cfg: Must be ``None``.

    Raises:
        UserError: A name contains ``loss``, ``backward`` is unknown, there is no objective or no
            ``DomainPreprocessor``, an objective needs a teacher and there is none, or joins domains
            that are normalised differently, or the segmentor does not fit (see
            :func:`mmseg_da.structures.require_dense`).
    """

    def __init__(
        self,
        segmentor: dict,
        objectives: dict[str, dict | None],
        backward: str = 'stages',
        translator: dict | None = None,
        teacher: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        pretrained: None = None,
        train_cfg: None = None,
    ) -> None:
        if pretrained is not None or train_cfg is not None:
            raise UserError('set `pretrained` and `train_cfg` in model.segmentor, not in model')
        segmentor = dict(segmentor)
        own_preprocessor = segmentor.pop('data_preprocessor', None)
        super().__init__(
            data_preprocessor=preprocessor_for(data_preprocessor, own_preprocessor),
            init_cfg=init_cfg,
        )
        require_domains(self.data_preprocessor)
        if backward not in ('stages', 'summed'):
            raise UserError(f"model.backward is {backward!r}, not 'stages' or 'summed'")
        try:
            self.segmentor: EncoderDecoder = MODELS.build(segmentor)
        except RuntimeError as error:  # the onedl packages, of a head that needs compiled ops
            raise UserError(f'model.segmentor cannot be built here: {error}') from error
        require_dense(self.segmentor)
        self.objectives = build_objectives(objectives, self.segmentor)
        self.translator = build_translator(translator)
        self.teacher = build_teacher(teacher, self.segmentor)
        require_teacher(self.objectives, self.teacher)
        require_one_look(self.objectives, self.data_preprocessor)
        self.data_preprocessor.needed = self._domains_needed()
        self._phases = self._plan(by_stages=backward == 'stages')
        self._keep_feats = any(each.rival_sees_feats for each in self.objectives.values())
        self._register_load_state_dict_pre_hook(self._take_plain_segmentor)

    def name_classes(self, classes: Sequence[str]) -> None:
        """Tell the objectives what the classes of the training data are called."""
        for objective in self.objectives.values():
            objective.name_classes(classes)

    def parts(self) -> dict[str, nn.Module]:
        parts = {SEGMENTOR: self.segmentor}
        # Made anew each time: kept as an attribute, it would be in the state dict twice.
        if self._rivals():
            parts[DISCRIMINATORS] = nn.ModuleDict(self._rivals())
        return parts

    def phases(self) -> tuple[Phase, ...]:
        return self._phases

    def _plan(self, by_stages: bool) -> tuple[Phase, ...]:
        views = {name: tuple(each.views) for name, each in self.objectives.items()}
        groups = group_by_views(views) if by_stages else [tuple(views)]
        stages = tuple(
            Stage(SEGMENTOR, tuple(dict.fromkeys(v for name in group for v in views[name])), group)
            for group in groups
        )
        phases = [Phase(SEGMENTOR, SEGMENTOR, stages)]
        if self._rivals():
            stage = Stage(DISCRIMINATORS, (), tuple(self._rivals()))
            phases.append(Phase(DISCRIMINATORS, DISCRIMINATORS, (stage,)))
        return tuple(phases)

    def begin_update(self) -> None:
        if self.teacher is not None:
            self.teacher.follow(self.segmentor)

    def begin_step(self, data: dict) -> Step:
        if self.translator is not None:
            data = dict(data, source=self._translated(data))
        views = {
            name: View(self.segmentor, domain['inputs'], domain['data_samples'], self._keep_feats)
            for name, domain in data.items()
            if name in self._views_needed()
        }
        look, teaching = self.data_preprocessor.domains['target'], None
        if self.teacher is not None and 'target' in views:
            teaching = self.teacher.teach(views['target'].images)
        return Step(
            self.segmentor,
            **({'target': None} | views),
            teaching=teaching,
            look=Look(look.mean, look.std, self.data_preprocessor.is_rgb),
        )

    def _domains_needed(self) -> tuple[str, ...]:
        """What a training reads."""
        extra = () if self.translator is None else DOMAINS
        return tuple(dict.fromkeys((*self._views_needed(), *extra)))

    def _views_needed(self) -> tuple[str, ...]:
        """What the segmentor sees; the source-only baseline has no use for target images."""
        objectives = self.objectives.values()
        target = any(each.needs_target for each in objectives)
        labelled = any(LABELLED in each.views for each in objectives)
        return ('source', *(['target'] if target else ()), *([LABELLED] if labelled else ()))

    @torch.no_grad()
    def _translated(self, data: dict) -> dict:
        """The source's batch with its images in the look of the target."""
        pixels = {d: self.data_preprocessor.to_pixels(data[d]['inputs'], d) for d in DOMAINS}
        translated = self.translator.translate_samples(
            pixels['source'], pixels['target'], data['source']['data_samples']
        )
        images = self.data_preprocessor.to_images(translated, 'source')
        return dict(data['source'], inputs=images)

    def pictures(self, data: dict) -> dict[str, dict[str, Tensor]]:
        """Per domain: images, the prediction and, if any, labels.

        Of the source also the translated image, and of the target what the teacher says.
        """
        rows = {
            name: {'image': self.data_preprocessor.to_pixels(data[name]['inputs'], name)}
            for name in data
        }
        labels = {name: labels_of(data[name]['data_samples']) for name in data}
        if self.translator is not None:
            data = dict(data, source=self._translated(data))
            translated = self.data_preprocessor.to_pixels(data['source']['inputs'], 'source')
            rows['source']['translated'] = translated
        for name, row in rows.items():
            row['prediction'] = predict_labels(self.segmentor, data[name]['inputs'])
            if self.teacher is not None and name == 'target':
                row['teacher'] = predict_labels(self.teacher.net, data[name]['inputs'])
            if labels[name] is not None:
                row['ground truth'] = labels[name]
        return rows

    def stage_losses(self, step: Step, stage: Stage) -> dict[str, Tensor]:
        with step.opened(stage.views):
            losses = {
                f'{name}.{key}': value
                for name in stage.terms
                for key, value in self._losses_of(name, step, stage.phase, stage.judged).items()
            }
        rivals_follow = self._rivals() and stage.phase == SEGMENTOR
        if rivals_follow and stage == self._phases[0].stages[-1]:
            step.remember()  # here and not in end_stage: by then the segmentor has moved
        if stage == self._phases[-1].stages[-1]:
            step.forget(stage.views)  # nobody asks again
        return losses

    def forward_inference(
        self, inputs: Tensor, data_samples: list | None, mode: str
    ) -> Tensor | list:
        asked = self.teacher is not None and self.teacher.predicts
        return (self.teacher.net if asked else self.segmentor)(inputs, data_samples, mode)

    def _losses_of(
        self, name: str, step: Step, phase: str, judged: tuple[str, ...] = ()
    ) -> dict[str, Tensor]:
        objective = self.objectives[name]
        if phase == DISCRIMINATORS:
            return objective.discriminator_losses(step, *([judged] if judged else []))
        return objective.losses(step)

    def _rivals(self) -> dict[str, nn.Module]:
        return {
            name: each.discriminator
            for name, each in self.objectives.items()
            if each.discriminator is not None
        }

    def _take_plain_segmentor(self, state_dict: dict, prefix: str, *_: Any) -> None:
        """Let `load_from` name a checkpoint of the plain segmentor: give its keys our prefix."""
        ours, inner = f'{prefix}{SEGMENTOR}.', ('backbone.', 'neck.', 'decode_head.', 'auxiliary_')
        if not any(key.startswith(ours) for key in state_dict):
            own = {f'{name.split(".")[0]}.' for name in self.segmentor.state_dict()}
            plain = tuple(prefix + part for part in {*inner, *own})
            for key in [key for key in state_dict if key.startswith(plain)]:
                state_dict[ours + key[len(prefix) :]] = state_dict.pop(key)
        if self.teacher is not None:
            with_teacher(state_dict, ours, f'{prefix}{TEACHER}.')

    # What mmseg's tools read from a segmentor.
    @property
    def backbone(self) -> nn.Module:
        """The segmentor's backbone."""
        return self.segmentor.backbone

    @property
    def decode_head(self) -> nn.Module:
        """The segmentor's decode head."""
        return self.segmentor.decode_head

    @property
    def num_classes(self) -> int:
        """The segmentor's number of classes."""
        return self.segmentor.num_classes

    @property
    def out_channels(self) -> int:
        """The segmentor's number of output channels."""
        return self.segmentor.out_channels

    @property
    def align_corners(self) -> bool:
        """The segmentor's way of resizing."""
        return self.segmentor.align_corners


def group_by_views(views: dict[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """Group objectives so that those which share a view, also through a third, are together.

    Args:
        views: The views of each objective, by name.

    Returns:
        Names per group. Groups, and names within one, keep the order of ``views``.
    """
    groups: list[tuple[set[str], list[str]]] = []
    for name, needed in views.items():
        merged: tuple[set[str], list[str]] = (set(needed), [])
        apart = []
        for group in groups:
            if group[0] & merged[0]:
                merged = (merged[0] | group[0], merged[1] + group[1])
            else:
                apart.append(group)
        merged[1].append(name)
        groups = [*apart, merged]
    order = list(views)
    named = [tuple(sorted(names, key=order.index)) for _, names in groups]
    return sorted(named, key=lambda names: order.index(names[0]))
