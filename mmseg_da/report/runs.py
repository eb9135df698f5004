"""What a training leaves in its folder: scalars, settings, pictures, checkpoints."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmseg_da.errors import UserError

_STAMP = re.compile(r'\d{8}_\d{6}')
_ITERATION = re.compile(r'iter_(\d+)\.pth')
_ENVIRONMENT = re.compile(r'System environment:\n(.*?)\n-{20,}\n', re.DOTALL)
_LAST = 4000  # characters of a log that say how it ended


@dataclass
class Run:
    """A training, or a stage of one.

    Attributes:
        name: To tell it from others.
        folder: Its work dir.
        scalars: Values by iteration, by what was logged. Of a resumed run, the later file counts.
        config: File of its settings, or ``None``.
        environment: What mmengine logged of the machine and the packages.
        checkpoint: The last one, or ``None``.
        stages: Of a run of stages, in the order in which they began.
        skipped: Lines of logs that could not be read, as of a run that was killed while writing.
    """

    name: str
    folder: Path
    scalars: dict[str, dict[int, float]] = field(default_factory=dict)
    config: Path | None = None
    environment: str = ''
    checkpoint: Path | None = None
    stages: list['Run'] = field(default_factory=list)
    skipped: int = 0

    @property
    def iterations(self) -> int:
        """The last iteration that was logged."""
        return max((max(values) for values in self.scalars.values()), default=0)

    @property
    def wanted(self) -> int | None:
        """The iterations that the settings ask for."""
        if self.config is None:
            return None
        found = re.search(r'max_iters=(\d+)', self.config.read_text(encoding='utf-8'))
        return int(found[1]) if found else None

    @property
    def complete(self) -> bool:
        """Whether it came to its end."""
        if self.stages:
            return all(stage.complete for stage in self.stages)
        if self.checkpoint is None or self.wanted is None:
            return False
        at = _ITERATION.fullmatch(self.checkpoint.name)
        return at is not None and int(at[1]) >= self.wanted

    @property
    def broken(self) -> list[str]:
        """What was logged and is not finite."""
        return [
            name
            for name, values in self.scalars.items()
            if not all(math.isfinite(value) for value in values.values())
        ]

    def last(self, name: str) -> float | None:
        """The last value of a scalar."""
        values = self.scalars.get(name)
        return values[max(values)] if values else None

    def pictures(self) -> list[Path]:
        """Pictures of the training: its sheet, then what it drew on its way, the last first."""
        sheet = self.folder / 'sheet.png'
        drawn = sorted(self.folder.glob('*/vis_data/vis_image/adaptation_*.png'), key=_number)
        return [*([sheet] if sheet.is_file() else []), *reversed(drawn)]


def read_run(folder: str | Path, name: str | None = None) -> Run:
    """Read a work dir, finished or not.

    Args:
        folder: The work dir of a training, or of a run of stages.
        name: Of the run; its folder's by default.

    Raises:
        UserError: There is no such folder, or no training of mmengine in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f'{folder}: no such work dir')
    run = _read(folder, name or folder.name)
    inner = [each for each in sorted(folder.iterdir()) if each.is_dir() and _stamps(each)]
    inner.sort(key=lambda each: _stamps(each)[0].name)
    run.stages = [_read(each, f'{run.name}, {each.name}') for each in inner]
    if not any(each.scalars or each.config for each in (run, *run.stages)):
        raise UserError(
            f'{folder}: holds no log of a training (no */vis_data/scalars.json); give the work dir of '
            'tools/train.py, such as work_dirs/my_config'
        )
    if run.stages and not run.scalars:
        final = run.stages[-1]
        run.config, run.environment = run.config or final.config, final.environment
    return run


def _read(folder: Path, name: str) -> Run:
    run = Run(name, folder)
    for stamp in _stamps(folder):
        for step, values in _lines(stamp / 'vis_data/scalars.json', run):
            for key, value in values.items():
                run.scalars.setdefault(key, {})[step] = value
        config, log = stamp / 'vis_data/config.py', stamp / f'{stamp.name}.log'
        run.config = config if config.is_file() else run.config
        if log.is_file():
            with log.open(encoding='utf-8', errors='replace') as file:
                found = _ENVIRONMENT.search(file.read(20000))
            run.environment = found[1].strip() if found else run.environment
    checkpoints = [each for each in folder.glob('iter_*.pth') if _ITERATION.fullmatch(each.name)]
    run.checkpoint = max(checkpoints, key=_number, default=None)
    return run


def _stamps(folder: Path) -> list[Path]:
    """The folders that mmengine makes, one for each start of a training; those of tests hold none."""
    return sorted(
        each
        for each in folder.iterdir()
        if each.is_dir() and _STAMP.fullmatch(each.name) and (each / 'vis_data').is_dir()
    )


def _lines(file: Path, run: Run) -> Iterator[tuple[int, dict[str, float]]]:
    if not file.is_file():
        return
    with file.open(encoding='utf-8', errors='replace') as lines:
        for line in lines:
            try:
                values = json.loads(line)
                step = int(values['step'])
            except (ValueError, KeyError, TypeError):
                run.skipped += bool(line.strip())
                continue
            yield step, {key: float(v) for key, v in values.items() if _is_value(key, v)}


def _is_value(key: str, value: Any) -> bool:
    counted = key in ('step', 'iter', 'epoch')
    return isinstance(value, int | float) and not isinstance(value, bool) and not counted


def _number(file: Path) -> int:
    return int(re.findall(r'\d+', file.stem)[-1])
