"""What adaptation brings on the small pairs: methods x pairs x seeds.

    python benchmarks/adaptation.py --pairs toy --seeds 0 1 2
    MMSEG_DA_DATA=/where/the/pairs/are python benchmarks/adaptation.py --pairs camvid2idd

Each trial is one run of ``tools/train.py`` with a small config. A killed benchmark starts again
where it was. Writes ``adaptation.json`` and ``adaptation.png`` into the work dir and, with ``--docs``,
its tables into ``docs/benchmarks.md``.
"""

import argparse
import itertools
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from trials import Result, Trial, read_result, run_trials

from mmseg_da.errors import UserError, user_errors

ROOT = Path(__file__).resolve().parents[1]
METHODS = (
    'source_only', 'adaptsegnet', 'advent', 'minent', 'fda', 'cycada', 'dacs', 'daformer', 'mic', 'hrda',
    'upper_bound',
)  # fmt: skip
BOUNDS = ('source_only', 'upper_bound')
PAIRS = ('toy', 'camvid2idd', 'dubai2czech', 'fluo2histo')
DOCS = ROOT / 'docs' / 'benchmarks.md'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measure adaptation on the small pairs')
    parser.add_argument('--methods', nargs='+', default=METHODS)
    parser.add_argument('--pairs', nargs='+', default=PAIRS, choices=PAIRS)
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--work-dir', default='work_dirs/benchmarks/adaptation')
    parser.add_argument('--cfg-options', nargs='+', default=[], help='as in tools/train.py')
    parser.add_argument('--jobs', type=int, default=1, help='trials at a time, one thread each')
    parser.add_argument('--docs', action='store_true', help='write the tables to the docs')
    return parser.parse_args()


def trials_of(
    methods: Sequence[str], pairs: Sequence[str], seeds: Sequence[int], root: Path = ROOT
) -> list[Trial]:
    """Every trial that has a config.

    Raises:
        UserError: A method has one for none of the pairs.
    """
    trials = [Trial(*each) for each in itertools.product(methods, pairs, seeds)]
    found = [trial for trial in trials if (root / trial.config).is_file()]
    for method in methods:
        if not any(trial.method == method for trial in found):
            raise UserError(f'--methods {method}: no configs/small/{method}_*.py for {list(pairs)}')
    return found


def run_all(trials: Sequence[Trial], work_dir: Path, options: Sequence[str], jobs: int = 1) -> None:
    """Run every trial that has no result yet."""
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), 'left:')
    with Progress(*columns, TimeRemainingColumn(), console=Console()) as progress:
        run_trials(trials, work_dir, ROOT, lambda _: options, progress, jobs)


def closed_gap(source_only: float, adapted: float, upper_bound: float) -> float:
    """Share of the way from source-only to the upper bound, 1 for all of it."""
    return (adapted - source_only) / (upper_bound - source_only)


def table(pair: str, results: Sequence[Result]) -> str:
    """One Markdown table: a row per method, mean and every seed."""
    found = {result.trial.method for result in results}
    seeds = sorted({result.trial.seed for result in results})
    lines = [
        f'### {pair}',
        '',
        f'| method | mIoU, mean | {" | ".join(f"seed {seed}" for seed in seeds)} | gap closed | '
        'updates | seconds a run |',
        '|---|---:|' + '---:|' * (len(seeds) + 3),
    ]
    means = {m: statistics.mean(r.miou for r in results if r.trial.method == m) for m in found}
    for method in [*METHODS, *sorted(found - set(METHODS))]:
        own = {result.trial.seed: result for result in results if result.trial.method == method}
        if not own:
            lines.append(f'| {method} |' + ' not run |' * (len(seeds) + 4))
            continue
        cells = [f'{own[seed].miou:.1f}' if seed in own else 'not run' for seed in seeds]
        gap = '–'
        if {'source_only', 'upper_bound'} <= found - {method}:
            share = closed_gap(means['source_only'], means[method], means['upper_bound'])
            gap = f'{100 * share:.0f} %'
        first = next(iter(own.values()))
        seconds = statistics.median(result.seconds for result in own.values())
        lines.append(
            f'| {method} | {means[method]:.1f} | {" | ".join(cells)} | {gap} | '
            f'{first.iterations} | {seconds:.0f} |'
        )
    return '\n'.join(lines) + '\n'


def plot(results: Sequence[Result], file: Path) -> None:
    """Draw a bar per method and a dot per seed, one panel for each pair, as a PNG."""
    pairs = list(dict.fromkeys(result.trial.pair for result in results))
    rows = -(-len(pairs) // 2)
    figure = Figure(figsize=(5.2 * min(2, len(pairs)), 3.9 * rows), dpi=120, layout='constrained')
    panels = figure.subplots(rows, min(2, len(pairs)), squeeze=False).flatten()
    for panel, pair in itertools.zip_longest(panels, pairs):
        if pair is None:
            panel.set_axis_off()
        else:
            _draw(panel, pair, [each for each in results if each.trial.pair == pair])
    partial = file.with_suffix('.part')
    figure.savefig(partial, format='png')
    partial.replace(file)


def _draw(panel: Axes, pair: str, results: Sequence[Result]) -> None:
    scores: dict[str, list[float]] = {}
    for result in results:
        scores.setdefault(result.trial.method, []).append(result.miou)
    methods = sorted(scores, key=lambda m: (METHODS.index(m) if m in METHODS else 99, m))
    means = [statistics.mean(scores[method]) for method in methods]
    colours = ['#b8b8b8' if method in BOUNDS else '#4878a8' for method in methods]
    panel.bar(methods, means, color=colours, width=0.7)
    for at, method in enumerate(methods):
        own = scores[method]
        spread = [
            at + 0.3 * (i - (len(own) - 1) / 2) / max(len(own) - 1, 1) for i in range(len(own))
        ]
        panel.scatter(
            spread, own, s=16, color='black', edgecolors='white', linewidths=0.5, zorder=3
        )
        panel.text(at, max(own) + 1, f'{means[at]:.1f}', ha='center', va='bottom', fontsize=8)
        if method in BOUNDS:
            panel.axhline(means[at], color='#606060', linestyle='--', linewidth=0.9, zorder=2)
    seeds = len({result.trial.seed for result in results})
    panel.set_title(f'{pair}, {seeds} seed{"s" if seeds > 1 else ""}', fontsize=10)
    panel.set_ylabel('mIoU of the target, %', fontsize=9)
    panel.set_ylim(0, 1.15 * max(map(max, scores.values())))
    panel.tick_params(labelsize=8)
    panel.tick_params(axis='x', labelrotation=45)
    panel.spines[['top', 'right']].set_visible(False)


def write_docs(text: str, file: Path, section: str = 'adaptation') -> None:
    """Replace one marked section of a Markdown file."""
    begin, end = f'<!-- {section}: begin -->', f'<!-- {section}: end -->'
    before, rest = file.read_text().split(begin)
    _, after = rest.split(end)
    partial = file.with_suffix('.part')
    partial.write_text(f'{before}{begin}\n{text}{end}{after}')
    partial.replace(file)


def all_results(work_dir: Path) -> list[Result]:
    """Every result below a folder, in the order of pairs, methods and seeds."""
    found = [read_result(record) for record in sorted(work_dir.glob('*/result.json'))]
    order = {method: i for i, method in enumerate(METHODS)}
    return sorted(found, key=lambda r: (PAIRS.index(r.trial.pair), order.get(r.trial.method, 99)))


def main() -> None:
    args = parse_args()
    work_dir = Path(args.work_dir)
    trials = trials_of(args.methods, args.pairs, args.seeds)
    run_all(trials, work_dir, args.cfg_options, max(1, args.jobs))
    results = all_results(work_dir)
    (work_dir / 'adaptation.json').write_text(
        json.dumps([asdict(result) for result in results], indent=1) + '\n'
    )
    plot(results, work_dir / 'adaptation.png')
    pairs = dict.fromkeys(result.trial.pair for result in results)
    text = '\n'.join(table(p, [r for r in results if r.trial.pair == p]) for p in pairs)
    text = f'{os.cpu_count()} cores, no GPU.\n\n{text}'
    print(text)
    if args.docs:
        write_docs(text, DOCS)


if __name__ == '__main__':
    with user_errors():
        main()
