"""The networks that predict together in a stage that trains nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmseg_da.engine.stages import REFERENCE, TrainingStage, is_reference
from mmseg_da.errors import UserError
from mmseg_da.models.ensemble import AVERAGES

LOW_RESOLUTION = 'softmax_lowres'


def check_members(settings: Mapping[str, Any], where: str) -> None:
    """Look at ``members``, ``average`` and ``weights`` before anything is built.

    Args:
        settings: Of the stage or tool.
        where: Where they are from, for the message.

    Raises:
        UserError: There is no member, one is no stage and no file, the average is unknown, or the
            weights are not one number for each.
    """
    members = settings.get('members')
    if not members or not all(isinstance(each, str) for each in members):
        raise UserError(
            f'{where}.members is {members!r}, but has to be a list of stages or checkpoints that predict'
        )
    for each in members:
        if not is_reference(each) and '://' not in each and not Path(each).is_file():
            raise UserError(
                f'{where}.members: {each} is no stage that comes before, and no checkpoint file'
            )
    average = settings.get('average', LOW_RESOLUTION)
    if average not in AVERAGES:
        raise UserError(f'{where}.average is {average!r}, but has to be one of {list(AVERAGES)}')
    weights = settings.get('weights')
    if weights is not None and not _are_weights(weights, len(members)):
        raise UserError(
            f'{where}.weights is {weights!r}, but has to be {len(members)} numbers of 0 or more, one for '
            'each member, and not all 0'
        )


def _are_weights(weights: Any, number: int) -> bool:
    if not isinstance(weights, list | tuple) or len(weights) != number:
        return False
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in weights)
    return numbers and min(weights) >= 0 and sum(weights) > 0


def ensemble_of_stage(
    stage: TrainingStage, stages: Sequence[TrainingStage], resolved: Config
) -> ConfigDict:
    """Config of the mean of a stage's members: each as its own stage says, a file as this one does.

    Args:
        stage: The stage.
        stages: All stages.
        resolved: The stage's config, with the checkpoints of its members.
    """
    models = {REFERENCE + each.name: each.cfg.model for each in stages if 'model' in each.cfg}
    names, settings = stage.cfg[stage.kind].members, resolved[stage.kind]
    return ensemble([models.get(name, resolved.model) for name in names], settings)


def ensemble(models: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> ConfigDict:
    """Config of the mean of several networks.

    Args:
        models: The model of each.
        settings: Their checkpoints as ``members``, ``average``, and maybe ``weights``.
    """
    return ConfigDict(
        type='SegmentorEnsemble',
        members=list(models),
        checkpoints=list(settings['members']),
        average=settings.get('average', LOW_RESOLUTION),
        weights=settings.get('weights'),
        data_preprocessor=None,  # a Runner would put that of the config here
    )


def names_of(stage: TrainingStage) -> str:
    """The members of a stage in one line."""
    return ', '.join(each.removeprefix(REFERENCE) for each in stage.cfg[stage.kind].members)
