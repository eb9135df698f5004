"""Rounds of self-training, as the stages of a run."""

import copy
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmseg_da.errors import UserError

BEFORE, LABELS = 'round:before', 'round:labels'
"""In what a later round changes: the same network of the round before, and the labels to learn."""

_KEYS = ('number', 'members', 'first', 'later', 'labels', 'evaluate')


def expand_rounds(cfg: Config) -> None:
    """Replace ``cfg.rounds``, if it is there, by ``cfg.stages``.

    ``rounds`` is a dict of

    - ``number``: how often networks are trained, 2 or more; the first time without pseudo labels;
    - ``members``: by name, what each network changes in the rest of the config; ``None`` leaves one
      out. Without ``members`` there is one network;
    - ``first``: what the first round changes, for every network;
    - ``later``: what later rounds change. ``'round:labels'`` stands for the pseudo labels of the
      round, ``'round:before'`` for the same network of the round before;
    - ``labels``: settings of the labelling between two rounds, see
      :func:`mmseg_da.engine.label_stage.labelling`; ``rule.keep`` may be a list, of one share for
      each of them;
    - ``evaluate``: settings of a last stage that tests the mean of the last round's networks; left
      out without it.

    The stages are ``round0_NAME`` (``round0`` of one network), ..., ``labels1``, ``round1_NAME``, ...,
    ``ensemble``. What ``cfg.stages`` says of them is merged in.

    Args:
        cfg: Changed in place.

    Raises:
        UserError: A key is not known or of the wrong kind, or ``cfg.stages`` names another stage.
    """
    rounds = cfg.get('rounds')
    if rounds is None:
        return
    rounds = rounds.to_dict() if hasattr(rounds, 'to_dict') else rounds
    _check(cfg, rounds)
    stages = _stages(rounds)
    own = cfg.to_dict().get('stages') or {}
    unknown = [name for name in own if name not in stages]
    if unknown:
        raise UserError(
            f'{cfg.filename}: there is no stage {unknown[0]}; the config has the stages '
            f'{", ".join(stages)}'
        )
    cfg.stages = _joined(stages, own)
    cfg.pop('rounds')


def _stages(rounds: Mapping[str, Any]) -> dict[str, dict]:
    members = {
        name: each for name, each in (rounds.get('members') or {}).items() if each is not None
    }
    members = members or {'': {}}
    stages: dict[str, dict] = {}
    for number in range(rounds['number']):
        if number:
            trained = [_name(number - 1, member) for member in members]
            stages[f'labels{number}'] = _labels(rounds, number, trained)
        for member, changes in members.items():
            changes = _joined(rounds.get('later' if number else 'first') or {}, changes)
            known = {LABELS: f'stage:labels{number}', BEFORE: f'stage:{_name(number - 1, member)}'}
            stages[_name(number, member)] = _replaced(changes, known if number else {})
    if rounds.get('evaluate') is not None:
        last = [_name(rounds['number'] - 1, member) for member in members]
        stages['ensemble'] = dict(kind='evaluate', members=last) | rounds['evaluate']
    return stages


def _name(number: int, member: str) -> str:
    return f'round{number}_{member}' if member else f'round{number}'


def _labels(rounds: Mapping[str, Any], number: int, members: list[str]) -> dict:
    settings = copy.deepcopy(rounds.get('labels') or {})
    shares = (settings.get('rule') or {}).get('keep')
    if isinstance(shares, list | tuple):
        settings['rule'] = dict(settings['rule'], keep=shares[number - 1])
    return dict(kind='pseudo_labels', members=members) | settings


def _joined(one: Any, other: Any) -> Any:
    """Changes upon changes; ``_delete_`` stays for the config that they are merged into."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)) or other.get('_delete_'):
        return copy.deepcopy(other)
    merged = {key: copy.deepcopy(value) for key, value in one.items()}
    return merged | {
        key: _joined(one[key], value) if key in one else copy.deepcopy(value)
        for key, value in other.items()
    }


def _replaced(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(each, known) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_replaced(each, known) for each in value)
    return known.get(value, value) if isinstance(value, str) else value


def _check(cfg: Config, rounds: Any) -> None:
    if not isinstance(rounds, Mapping):
        raise UserError(f'{cfg.filename}: rounds is {rounds!r}, but has to be a dict')
    for key in rounds:
        if key not in _KEYS:
            raise UserError(f'{cfg.filename}: rounds.{key} is not known; there are {list(_KEYS)}')
    number = rounds.get('number')
    if not isinstance(number, int) or isinstance(number, bool) or number < 2:
        raise UserError(
            f'{cfg.filename}: rounds.number is {number!r}, but has to be an integer of 2 or more'
        )
    for key in _KEYS[1:]:
        if rounds.get(key) is not None and not isinstance(rounds[key], Mapping):
            raise UserError(
                f'{cfg.filename}: rounds.{key} is {rounds[key]!r}, but has to be a dict'
            )
    rule = (rounds.get('labels') or {}).get('rule')
    shares = rule.get('keep') if isinstance(rule, Mapping) else None
    if isinstance(shares, list | tuple) and len(shares) != number - 1:
        raise UserError(
            f'{cfg.filename}: rounds.labels.rule.keep is {shares!r}, but has to be one number, or '
            f'{number - 1}, one for each labelling between {number} rounds'
        )
