"""What a training leaves in its folder: scalars, settings, pictures, checkpoints."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from mmseg_da.errors import UserError

_STAMP = re.compile(r'\d{8}_\d{6}')
_ITERATION = re.compile(r'iter_(\d+)\.pth')
_ENVIRONMENT = re.compile(r'System environment:\n(.*?)\n-{20,}\n', re.DOTALL)


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
        tested: It trained nothing; its scores are of a test, and stand at iteration 0.
    """

    name: str
    folder: Path
    scalars: dict[str, dict[int, float]] = field(default_factory=dict)
    config: Path | None = None
    environment: str = ''
    checkpoint: Path | None = None
    stages: list['Run'] = field(default_factory=list)
    skipped: int = 0
    tested: bool = False

    @property
    def parts(self) -> list['Run']:
        """Its stages; itself, if it has none."""
        return self.stages or [self]

    @property
    def iterations(self) -> int:
        """The last iteration that was logged."""
        return max((max(values) for values in self.scalars.values()), default=0)

    @property
    def wanted(self) -> int | None:
        """The iterations that the settings ask for."""
        if self.config is None:
            return None
        text = self.config.read_text(encoding='utf-8', errors='replace')
        found = re.search(r'max_iters=(\d+)', text)
        return int(found[1]) if found else None

    @property
    def complete(self) -> bool:
        """Whether it came to its end."""
        if self.stages:
            return all(stage.complete for stage in self.stages)
        if self.checkpoint is None or self.wanted is None:
            return self.tested
        return _number(self.checkpoint) >= self.wanted

    @property
    def broken(self) -> list[str]:
        """The losses that ended as no finite number.

        One that was infinite for a while may be that of a scaler that looked for its scale, and a
        score is no number where the images have no pixel of a class.
        """
        return [
            name
            for name in self.scalars
            if 'loss' in name.rsplit('.', 1)[-1] and not math.isfinite(self.last(name))
        ]

    def best(self, name: str) -> tuple[int, float] | None:
        """The highest value of a scalar, after its iteration; ``None`` without a finite one."""
        values = self.scalars.get(name) or {}
        finite = {step: value for step, value in values.items() if math.isfinite(value)}
        return max(finite.items(), key=lambda item: item[1], default=None)

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
    trained = [stage for stage in run.stages if not stage.tested]
    if trained and not run.scalars:
        run.config, run.environment = trained[-1].config, trained[-1].environment
        run.checkpoint = run.checkpoint or trained[-1].checkpoint
    return run


def _read(folder: Path, name: str) -> Run:
    run = Run(name, folder)
    stamps = _stamps(folder)
    trainings = [stamp for stamp in stamps if _log(stamp).is_file()]
    # Without any, there may be one that ended before its first line.
    trainings = trainings or [stamp for stamp in stamps if not _result(stamp).is_file()]
    for stamp in trainings:
        _add(run, stamp)
    if stamps and not trainings:
        run.tested = True
        _take_result(run, stamps[-1])
    run.checkpoint = _newest(folder, run)
    return run


def _add(run: Run, stamp: Path) -> None:
    """Add one start of a training: it takes the place of what was logged from its first line on."""
    lines = list(_lines(_log(stamp), run))
    first = min((step for step, _ in lines), default=math.inf)
    for key, values in list(run.scalars.items()):
        run.scalars[key] = {step: value for step, value in values.items() if step < first}
    for step, values in lines:
        for key, value in values.items():
            run.scalars.setdefault(key, {})[step] = value
    run.scalars = {key: values for key, values in run.scalars.items() if values}
    _take_settings(run, stamp)


def _take_result(run: Run, stamp: Path) -> None:
    """Take the scores of a test."""
    try:
        found = json.loads(_result(stamp).read_text(encoding='utf-8', errors='replace'))
        scores = {key: {0: float(v)} for key, v in found.items() if _is_value(key, v)}
    except (ValueError, AttributeError, OverflowError):
        scores, run.skipped = {}, run.skipped + 1
    run.scalars = {key: value for key, value in scores.items() if key not in ('time', 'data_time')}
    _take_settings(run, stamp)


def _take_settings(run: Run, stamp: Path) -> None:
    config, log = stamp / 'vis_data/config.py', stamp / f'{stamp.name}.log'
    run.config = config if config.is_file() else run.config
    if log.is_file():
        with log.open(encoding='utf-8', errors='replace') as file:
            found = _ENVIRONMENT.search(file.read(20000))
        run.environment = found[1].strip() if found else run.environment


def _newest(folder: Path, run: Run) -> Path | None:
    """The last checkpoint; none that lies behind what was logged, as of a training before this one."""
    steps = sorted({step for values in run.scalars.values() for step in values})
    pause = max((b - a for a, b in pairwise([0, *steps])), default=0)
    reach = run.iterations + pause if steps else math.inf
    found = [each for each in folder.glob('iter_*.pth') if _ITERATION.fullmatch(each.name)]
    return max((each for each in found if _number(each) <= reach), key=_number, default=None)


def _stamps(folder: Path) -> list[Path]:
    """The folders that mmengine makes, one for each start of a training or of a test."""
    return sorted(
        each
        for each in folder.iterdir()
        if each.is_dir() and _STAMP.fullmatch(each.name) and (each / 'vis_data').is_dir()
    )


def _log(stamp: Path) -> Path:
    """What a training logs."""
    return stamp / 'vis_data/scalars.json'


def _result(stamp: Path) -> Path:
    """What a test ends with."""
    return stamp / f'{stamp.name}.json'


def _lines(file: Path, run: Run) -> Iterator[tuple[int, dict[str, float]]]:
    if not file.is_file():
        return
    with file.open(encoding='utf-8', errors='replace') as lines:
        for line in lines:
            try:
                values = json.loads(line)
                step = int(values['step'])
                scalars = {key: float(v) for key, v in values.items() if _is_value(key, v)}
            except (ValueError, KeyError, TypeError, OverflowError):
                run.skipped += bool(line.strip())
                continue
            yield step, scalars


def _is_value(key: str, value: Any) -> bool:
    counted = key in ('step', 'iter', 'epoch')
    return isinstance(value, int | float) and not isinstance(value, bool) and not counted


def _number(file: Path) -> int:
    return int(re.findall(r'\d+', file.stem)[-1])
