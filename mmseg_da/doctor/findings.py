"""What was found, and how bad it is."""

from collections.abc import Iterable
from dataclasses import dataclass

from mmseg_da.visualization.page import LEVELS, Level


@dataclass(frozen=True)
class Finding:
    """One line of the verdict.

    Attributes:
        level: ``'good'``; ``'warning'``, worth a look; ``'bad'``, a training fails or learns nothing.
        topic: ``'config'``, ``'data'``, ``'machine'`` or ``'gap'``.
        text: What it is and, unless it is good, what to do.
    """

    level: Level
    topic: str
    text: str

    def __str__(self) -> str:
        return f'{self.level:7s} {self.topic}: {self.text}'


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level that there is."""
    return max((each.level for each in findings), key=LEVELS.index, default='good')


def one_line(error: Exception) -> str:
    """What an exception says, on one line, or its kind if it says nothing."""
    return ' '.join(str(error).split()) or type(error).__name__
