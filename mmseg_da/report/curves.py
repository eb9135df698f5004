"""Curves and bars of a report, drawn by matplotlib."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmseg_da.report.runs import Run

MOST_POINTS = 2000  # of a curve; more cannot be seen
_MOST_CURVES = 8  # in one plot, so that the legend can be read
_LEGEND = dict(fontsize=8, loc='center left', bbox_to_anchor=(1.01, 0.5))
PSEUDO = 'pseudo.'  # as PseudoLabelHook logs it
SCORES = ('mIoU', 'teacher.mIoU')
_ORDER = ('Losses', 'Discriminator', 'Share', 'Accuracy', 'Learning', 'Gradient')
_TIMES = ('time', 'data_time', 'memory', 'eta')


def groups_of(run: Run) -> dict[str, list[str]]:
    """What belongs into one plot, by its title, the losses first."""
    groups: dict[str, list[str]] = {}
    for name in sorted(run.scalars):
        title = _title(name)
        if title is not None:
            groups.setdefault(title, []).append(name)
    titles = sorted(groups, key=lambda title: [not title.startswith(each) for each in _ORDER])
    return {
        title if start == 0 else f'{title}, continued ({start // _MOST_CURVES + 1})': names
        for title in titles
        for start in range(0, len(groups[title]), _MOST_CURVES)
        if (names := groups[title][start : start + _MOST_CURVES])
    }


def _title(name: str) -> str | None:
    """The plot that a scalar belongs to, if any: scores and times have places of their own."""
    leaf = name.rsplit('.', 1)[-1]
    if (
        name in _TIMES
        or name.startswith(('IoU.', 'teacher.', PSEUDO))
        or leaf in ('mIoU', 'aAcc', 'mAcc')
    ):
        return None
    if leaf in ('lr', 'base_lr'):
        return 'Learning rates' if leaf == 'lr' else None
    if leaf in ('loss_source', 'loss_target') or name == 'discriminators.loss':
        return 'Discriminator losses'
    if 'loss' in leaf:
        return 'Losses of the segmentor'
    if leaf.startswith('accuracy'):
        return 'Discriminator accuracy, share of right verdicts'
    if leaf == 'sure':
        return 'Share of target pixels of which the teacher is sure'
    if leaf.startswith('acc'):
        return 'Accuracy in training, in percent'
    return 'Gradient norms' if 'grad_norm' in leaf else 'Other values'


def plot_scalars(run: Run, names: Sequence[str], title: str) -> Figure:
    """Curves of one run over its iterations; a curve of a value that is not finite has a gap."""
    figure = Figure(figsize=(7.4, 3.2), layout='constrained')
    axes = figure.subplots()
    for name in names:
        _plot(axes, run.scalars[name], name)
    if 'rate' in title and all(min(run.scalars[name].values()) > 0 for name in names):
        axes.set_yscale('log')
    _finish(axes, title)
    return figure


def plot_pseudo_labels(run: Run) -> Figure | None:
    """The share of each class in the teacher's pseudo labels, one above the other, or ``None``."""
    names = [name for name in run.scalars if name.startswith(PSEUDO)]  # in the order of the classes
    if not names:
        return None
    steps = sorted(set.intersection(*(set(run.scalars[name]) for name in names)))
    steps = steps[:: -(-len(steps) // MOST_POINTS) or 1]
    heights = [[run.scalars[name][step] for step in steps] for name in names]
    figure = Figure(figsize=(7.4, max(3.2, 0.6 + 0.19 * len(names))), layout='constrained')
    axes = figure.subplots()
    colours = colormaps['tab20'](np.arange(len(names)) % 20)
    labels = [_plain(name.removeprefix(PSEUDO)) for name in names]
    axes.stackplot(steps, heights, labels=labels, colors=colours)
    _finish(axes, 'Classes of the pseudo labels, in percent of the target pixels')
    axes.set(ylim=(0, 100), xlim=(steps[0], max(steps[-1], steps[0] + 1)))
    axes.legend(*(each[::-1] for each in axes.get_legend_handles_labels()), **_LEGEND)
    return figure


def plot_scores(runs: Sequence[Run]) -> Figure | None:
    """mIoU of every run and of its teacher over the iterations, or ``None`` without any."""
    figure = Figure(figsize=(7.4, 3.6), layout='constrained')
    axes, drawn = figure.subplots(), 0
    for number, run in enumerate(runs):
        for name, style in zip(SCORES, ('-', '--'), strict=True):
            if run.scalars.get(name):
                label = run.name + (', teacher' if name != 'mIoU' else '')
                _plot(axes, run.scalars[name], label, f'C{number}', style, marker='o')
                drawn += 1
    _finish(axes, 'mIoU on the validation images, in percent')
    return figure if drawn else None


def plot_ious(ious: Mapping[str, Mapping[str, float]]) -> Figure | None:
    """Bars of each class's IoU, side by side for the runs."""
    classes = list(dict.fromkeys(name for each in ious.values() for name in each))
    if not classes:
        return None
    width = 0.8 / len(ious)
    figure = Figure(
        figsize=(7.4, 1.2 + 0.32 * len(classes) * max(1, len(ious) / 2)), layout='constrained'
    )
    axes = figure.subplots()
    rows = np.arange(len(classes))
    for number, (run, values) in enumerate(ious.items()):
        heights = [values.get(name, np.nan) for name in classes]
        place = rows + (number - (len(ious) - 1) / 2) * width
        axes.barh(place, heights, width, label=_plain(run))
    axes.set_yticks(rows, [_plain(name) for name in classes])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel('IoU in percent')
    axes.legend(loc='lower right', fontsize=8)
    axes.grid(axis='x', alpha=0.3)
    return figure


def plot_confusion(confusion: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """A confusion matrix in percent of each class's pixels: rows are the labels."""
    shares = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = 2.0 + 0.36 * len(classes)
    figure = Figure(figsize=(side + 0.8, side), layout='constrained')
    axes = figure.subplots()
    shown = axes.imshow(shares, cmap='Blues', vmin=0, vmax=100)
    names = [_plain(name) for name in classes]
    axes.set_xticks(range(len(classes)), names, rotation=60, ha='right', fontsize=8)
    axes.set_yticks(range(len(classes)), names, fontsize=8)
    axes.set(xlabel='predicted', ylabel='label', title=_plain(title))
    for row, column in np.ndindex(*shares.shape):
        if shares[row, column] >= 1:
            colour = 'white' if shares[row, column] > 55 else 'black'
            text = f'{shares[row, column]:.0f}'
            axes.text(column, row, text, ha='center', va='center', color=colour, fontsize=7)
    figure.colorbar(shown, ax=axes, shrink=0.8, label="% of the label's pixels")
    return figure


def plot_shares(confusion: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """How much of the images each class takes, by the labels and as predicted."""
    shares = [100 * confusion.sum(axis=axis) / max(confusion.sum(), 1) for axis in (1, 0)]
    figure = Figure(figsize=(7.4, 1.4 + 0.3 * len(classes)), layout='constrained')
    axes, rows = figure.subplots(), np.arange(len(classes))
    for number, (values, label) in enumerate(zip(shares, ('label', 'predicted'), strict=True)):
        axes.barh(rows + 0.4 * (number - 0.5), values, 0.4, label=label)
    axes.set_yticks(rows, [_plain(name) for name in classes])
    axes.invert_yaxis()
    axes.set(title=_plain(title), xlabel='% of the labelled pixels')
    axes.legend(fontsize=8)
    axes.grid(axis='x', alpha=0.3)
    return figure


def plot_legend(classes: Sequence[str], palette: Sequence[Sequence[int]]) -> Figure:
    """The colours of the classes."""
    names, colours = [*map(_plain, classes), 'ignored'], [*palette, (0, 0, 0)]
    patches = [Patch(color=np.array(c) / 255, label=n) for n, c in zip(names, colours, strict=True)]
    figure = Figure(figsize=(10.5, 0.3 * -(-len(names) // 7) + 0.1))
    figure.legend(handles=patches, loc='center', ncols=7, fontsize=9, frameon=False)
    return figure


def _plot(
    axes: Axes,
    values: Mapping[int, float],
    label: str,
    colour: str | None = None,
    style: str = '-',
    marker: str | None = None,
) -> None:
    steps = np.array(sorted(values))
    steps = steps[:: -(-len(steps) // MOST_POINTS)]
    heights = np.array([values[step] for step in steps.tolist()])
    heights[~np.isfinite(heights)] = np.nan
    few = marker or ('o' if len(steps) < 3 else None)
    axes.plot(
        steps, heights, style, color=colour, label=_plain(label), marker=few, markersize=3, lw=1.3
    )


def _plain(name: str) -> str:
    """A name as matplotlib shows it: no formula, and not hidden from legends for its first letter."""
    shown = name.replace('$', r'\$')
    return f'\u200b{shown}' if shown.startswith('_') else shown


def _finish(axes: Axes, title: str) -> None:
    axes.set(title=_plain(title), xlabel='iteration')
    axes.grid(alpha=0.3)
    if axes.has_data():
        axes.legend(**_LEGEND)
