"""What a stage of a run does: it trains, labels, or tests."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmseg_da.errors import UserError

TRAIN, LABEL, EVALUATE = 'train', 'pseudo_labels', 'evaluate'
"""Kinds of stages."""

GIVEN = {TRAIN: 'checkpoint', LABEL: 'labels', EVALUATE: None}
"""The key of what takes the place of a stage."""

SETTINGS = {
    TRAIN: (),
    LABEL: ('members', 'rule', 'average', 'weights', 'size', 'pipeline'),
    EVALUATE: ('members', 'average', 'weights'),
}
"""What a stage is told that trains nothing; in its config, these are below the name of its kind."""


def kind_of(cfg: Config, name: str, changes: dict[str, Any]) -> str:
    """Take the kind out of what a stage changes.

    Raises:
        UserError: It is not known.
    """
    kind = changes.pop('kind', TRAIN)
    if kind not in GIVEN:
        raise UserError(
            f'{cfg.filename}: stages.{name}.kind is {kind!r}, but has to be one of {list(GIVEN)}'
        )
    return kind


def require_known(cfg: Config, name: str, kind: str, changes: Mapping[str, Any]) -> None:
    """See that no setting of a stage that trains nothing is misspelt: it would do nothing.

    Raises:
        UserError: One is neither of the stage nor in the config.
    """
    for key in changes:
        if key not in cfg:
            raise UserError(
                f'{cfg.filename}: stages.{name}.{key} is not known; a stage of kind {kind!r} takes '
                f'{list(SETTINGS[kind])}, and what the config has'
            )
