"""The page of a report, part by part."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_da.report.curves import (
    SCORES,
    groups_of,
    plot_confusion,
    plot_ious,
    plot_legend,
    plot_pseudo_labels,
    plot_scalars,
    plot_scores,
    plot_shares,
)
from mmseg_da.report.predictions import Predictions, picture_of
from mmseg_da.report.runs import Run
from mmseg_da.visualization import Page, paint

_EACH = 3  # worst and best images
_WIDEST = 1600  # pixels of a training's pictures
_MOST_PICTURES = 3


def make_report(
    runs: Sequence[Run], predictions: Mapping[str, Predictions], notes: Sequence[str] = ()
) -> Page:
    """Write what runs have left on one page.

    Args:
        runs: Of one task: the first is what others are compared with, the last what is looked at.
            Three are source-only, adapted and upper bound.
        predictions: By name of the run, where there are some.
        notes: What could not be done, for the reader.
    """
    adapted = _adapted(runs)
    page = Page(f'Report: {", ".join(run.name for run in runs)}', str(adapted.folder.absolute()))
    page.section('Summary')
    _summary(page, runs, notes)
    page.section('Scores')
    _scores(page, runs, predictions)
    if predictions:
        page.section('Images')
        _images(page, runs[0].name, adapted.name, predictions)
    page.section('Training')
    trained = [each for run in runs for each in run.parts if not each.tested]
    for each in trained:
        _curves(page, each)
    page.section('Pictures of the training')
    for each in trained:
        _pictures(page, each)
    page.section('Settings')
    for run in runs:
        _settings(page, run)
    return page


def _summary(page: Page, runs: Sequence[Run], notes: Sequence[str]) -> None:
    for run in runs:
        for each in run.parts:
            _verdict(page, each)
    if len(runs) > 1:
        _compare(page, runs)
    for note in notes:
        page.verdict('warning', note)


def _adapted(runs: Sequence[Run]) -> Run:
    """The run to look at: the last, unless that is the upper bound of three."""
    return runs[1] if len(runs) == 3 else runs[-1]


def _verdict(page: Page, run: Run) -> None:
    if run.tested:
        page.text(f'{run.name}: a test; it trains nothing')
        return
    of = '' if run.wanted is None else f' of {run.wanted:,}'
    where = f'{run.name}: {run.iterations:,}{of} iterations'
    if run.broken:
        named = ', '.join(run.broken[:3])
        page.verdict(
            'bad', f'{where}; {named} became infinite or no number: lower the learning rate'
        )
    elif run.wanted is None:  # as of trainings by epochs
        page.text(where)
    elif run.complete:
        page.verdict('good', f'{where}, complete')
    else:
        page.verdict('warning', f'{where}: not finished; --resume goes on from the last checkpoint')
    if run.skipped:
        page.text(f'{run.name}: {run.skipped} lines of its log could not be read and are left out.')


def _final(run: Run) -> float | None:
    return run.parts[-1].last('mIoU')


def _compare(page: Page, runs: Sequence[Run]) -> None:
    scores = [_final(run) for run in runs]
    if any(score is None for score in scores):
        return
    adapted = _adapted(runs)
    gain = _final(adapted) - scores[0]
    level = 'good' if gain > 0 else 'warning'
    text = f'{adapted.name} is {gain:+.1f} mIoU from {runs[0].name}'
    if len(runs) == 3 and scores[2] > scores[0]:
        text += f', {gain / (scores[2] - scores[0]):.0%} of the way to {runs[2].name}'
    page.verdict(level, f'{text}. One run each: other seeds give other numbers.')


def _scores(page: Page, runs: Sequence[Run], predictions: Mapping[str, Predictions]) -> None:
    rows = []
    for run in runs:
        for each in run.parts:
            at, best = each.best('mIoU') or (None, None)
            rows.append([each.name, each.last('mIoU'), best, at, each.last('teacher.mIoU')])
    page.table(
        ['run', 'last mIoU', 'best mIoU', 'at iteration', 'teacher, last'],
        rows,
        'In percent, on the validation images. The best one was chosen on them, so it flatters.',
    )
    figure = plot_scores([each for run in runs for each in run.parts if not each.tested])
    if figure is None:
        page.text('No validation was logged.')
    else:
        page.figure(figure, 'mIoU over the training' + _teachers(runs))
    ious = {run.name: _ious(run.parts[-1]) for run in runs}
    bars = plot_ious({name: values for name, values in ious.items() if values})
    if bars is not None:
        page.figure(bars, 'IoU of each class at the last validation')
    found = [(run.name, predictions[run.name]) for run in runs if run.name in predictions]
    if found:
        page.heading('Confusion and shares')
        page.text(_CONFUSION)
    for name, each in found:
        title = f'{name}, {len(each.images)} images'
        page.figures(
            draw(each.confusion, each.classes, title) for draw in (plot_confusion, plot_shares)
        )


_CONFUSION = (
    "Left, where the pixels of each class went: a row is a label's, and adds up to 100 %. Right, how much "
    'each class takes: one that is predicted much more than it is there draws others, and one that is '
    'predicted much less is being lost.'
)


def _teachers(runs: Sequence[Run]) -> str:
    stages = [each for run in runs for each in run.parts]
    return '; dashed: the teacher' if any(SCORES[1] in each.scalars for each in stages) else ''


def _ious(run: Run) -> dict[str, float]:
    prefix = 'IoU.'
    return {
        name.removeprefix(prefix): run.last(name) for name in run.scalars if name.startswith(prefix)
    }


def _images(page: Page, first: str, name: str, predictions: Mapping[str, Predictions]) -> None:
    """The images that a run is worst and best at, beside those of the first run if it has some."""
    after = predictions.get(name)
    if after is None:
        page.text(f'{name} has no predictions.')
        return
    before, names = predictions.get(first, after), (first, name)
    page.figure(plot_legend(after.classes, after.palette or _greys(len(after.classes))))
    order = np.argsort(np.nan_to_num(after.scores, nan=np.inf), kind='stable')
    real = [i for i in order.tolist() if np.isfinite(after.scores[i])]
    for title, chosen in (('Worst', real[:_EACH]), ('Best', real[-_EACH:][::-1])):
        page.heading(f'{title} images of {name}')
        for i in chosen:
            _image(page, i, before, after, names)


def _image(
    page: Page, i: int, before: Predictions, after: Predictions, names: tuple[str, str]
) -> None:
    label = after.labels[i]
    colours = after.palette or _greys(len(after.classes))
    shown = {'label (black is ignored)': paint(label, colours)}
    image = picture_of(after.images[i], label)
    if image is not None:
        shown = {Path(after.images[i]).name: image} | shown
    same = before is not after and _name(before, i) == _name(after, i)
    text = f'{Path(after.images[i]).name}: IoU {after.scores[i]:.1f}'
    if same:
        text = f'{Path(after.images[i]).name}: IoU {before.scores[i]:.1f} to {after.scores[i]:.1f}'
        pair = [paint(each.predicted[i], colours) for each in (before, after)]
        page.slider(*pair, text, names)
    else:
        shown |= {f'{names[1]}, {text}': paint(after.predicted[i], colours)}
    page.pictures(shown)


def _name(predictions: Predictions, i: int) -> str | None:
    return Path(predictions.images[i]).name if i < len(predictions.images) else None


def _greys(count: int) -> list[list[int]]:
    return [[round(55 + 200 * number / max(count - 1, 1))] * 3 for number in range(count)]


def _curves(page: Page, run: Run) -> None:
    page.heading(run.name)
    groups = groups_of(run)
    if not groups:
        page.text('Nothing was logged.')
    drawn = [plot_scalars(run, names, title) for title, names in groups.items()]
    seen = plot_pseudo_labels(run)
    page.figures([*drawn, *([] if seen is None else [seen])])
    rows = [[name, run.last(name), min(v.values()), max(v.values())] for name, v in _shown(run)]
    page.table(['value', 'last', 'least', 'most'], rows)


def _shown(run: Run) -> list[tuple[str, dict[int, float]]]:
    names = [name for group in groups_of(run).values() for name in group]
    return [(name, run.scalars[name]) for name in names]


def _pictures(page: Page, run: Run) -> None:
    for file in run.pictures()[:_MOST_PICTURES]:
        try:
            with Image.open(file) as image:
                image.thumbnail((_WIDEST, 10 * _WIDEST))
                page.picture(np.asarray(image.convert('RGB')), f'{run.name}: {file.name}')
        except OSError:
            page.text(f'{file}: cannot be read.')


def _settings(page: Page, run: Run) -> None:
    if run.environment:
        page.code(run.environment, f'{run.name}: machine, packages, seed')
    for each in run.parts:
        if each.config is not None:
            page.code(
                each.config.read_text(encoding='utf-8', errors='replace'),
                f'{each.name}: the whole config',
            )
