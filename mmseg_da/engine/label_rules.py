"""Which pseudo labels are kept, as a config says it."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import (
    class_balanced_thresholds,
    class_share_thresholds,
    confidence_thresholds,
)

_RULES: dict[str, Callable[..., Tensor]] = dict(
    class_share=class_share_thresholds,
    class_balanced=class_balanced_thresholds,
    confidence=confidence_thresholds,
)


@dataclass(frozen=True)
class LabelRule:
    """A rule that keeps some predictions as labels.

    Attributes:
        settings: ``type`` and options, in plain values.
        thresholds: From a histogram (C, BINS) to the least bin of each class (C,).
        balanced: Classes are chosen anew, relative to the thresholds, see
            :func:`mmseg_da.functional.balanced_labels`.
    """

    settings: dict[str, Any]
    thresholds: Callable[[Tensor], Tensor]
    balanced: bool


def label_rule(settings: Any, where: str) -> LabelRule:
    """Read a rule.

    Args:
        settings: ``dict(type='class_share', keep=0.34, sure=0.9)``: of each class the surest share,
            and all that is as sure as ``sure``; ``dict(type='class_balanced', keep=0.2)``: CBST's,
            the surest share of each class, in which a class that is predicted rarely also wins
            pixels from others; ``dict(type='confidence', least=0.9)``: all that is as sure.
        where: The key or flags that it is from, for the message.

    Raises:
        UserError: It is of no known type, lacks an option, has one too many, or one is out of range.
    """
    known = ', '.join(map(repr, _RULES))
    if not isinstance(settings, Mapping) or settings.get('type') not in _RULES:
        kind = settings.get('type') if isinstance(settings, Mapping) else settings
        raise UserError(f'{where}: the rule {kind!r} is none of {known}')
    options = {key: value for key, value in settings.items() if key != 'type'}
    kind = settings['type']
    takes = list(inspect.signature(_RULES[kind]).parameters.values())[1:]
    names = [each.name for each in takes]
    missing = [each.name for each in takes if each.default is each.empty]
    for key in [*options, *missing]:
        if key not in names or key not in options:
            what = 'lacks' if key in names else 'does not know'
            raise UserError(f'{where}: the rule {kind!r} {what} {key!r}; it takes {names}')
    for key, value in options.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and 0 < value <= 1) and not (key == 'sure' and value is None):
            raise UserError(
                f'{where}: {key} is {value!r}, but has to be a number above 0 and up to 1'
            )
    plain = dict(type=kind, **options)
    chosen = functools.partial(_RULES[kind], **options)
    return LabelRule(plain, chosen, balanced=kind == 'class_balanced')
