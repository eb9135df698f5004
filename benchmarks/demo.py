"""Adapt a small segmentor from one toy domain to another, and show what it brought.

Trains on the source alone, with AdaptSegNet, and on the target's labels (what adaptation could
reach at best), with the same number of updates. Prints a table and writes ``demo.png`` and
``results.json``.
"""

import mmseg_da  # noqa: F401  before mmseg, which needs its stand-in for compiled ops

# isort: split
import argparse
import json
import os
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
from mmseg.apis import inference_model, init_model
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from trials import Result, Trial, run_trials

from mmseg_da.errors import user_errors
from mmseg_da.registry import DATASETS
from mmseg_da.testing.toy_domains import make_toy_domains
from mmseg_da.visualization import paint, save_panel

ROOT = Path(__file__).resolve().parents[1]
METHODS = dict(source_only='source only', adaptsegnet='AdaptSegNet', upper_bound='upper bound')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Adapt between two toy domains on a CPU')
    parser.add_argument('--work-dir', default='work_dirs/demo', help='where to write')
    parser.add_argument('--iterations', type=int, help='another length than the configs have')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()


def train(work_dir: Path, seed: int, iterations: int | None, console: Console) -> dict[str, Result]:
    """One result per method; trials that have finished are not run again."""
    options = []
    if iterations:
        options = [f'train_cfg.{key}={iterations}' for key in ('max_iters', 'val_interval')]
        options.append(f'param_scheduler.0.end={iterations + 1}')
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), 'left:')
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        results = run_trials(
            [Trial(method, 'toy', seed) for method in METHODS],
            work_dir,
            ROOT,
            lambda _: options,
            progress,
            jobs=min(2, os.cpu_count() or 1),
        )
    return {trial.method: result for trial, result in results.items()}


def print_table(results: dict[str, Result], console: Console) -> None:
    """IoU in percent per class and method, on the target's validation images."""
    table = Table(title='IoU on the unlabelled domain (percent)')
    table.add_column('class')
    for method in results:
        table.add_column(METHODS[method], justify='right')
    for name in next(iter(results.values())).ious:
        table.add_row(name, *(f'{result.ious[name]:.1f}' for result in results.values()))
    table.add_section()
    table.add_row('mIoU', *(f'{result.miou:.1f}' for result in results.values()))
    table.add_row('seconds', *(f'{result.seconds:.0f}' for result in results.values()))
    console.print(table)


def draw(results: dict[str, Result], work_dir: Path, file: Path, rows: int = 4) -> None:
    """Evenly spaced validation images: image, ground truth, before and after adaptation."""
    models = {}
    for method in ('source_only', 'adaptsegnet'):
        folder = work_dir / results[method].trial.name
        checkpoint = (folder / 'last_checkpoint').read_text().strip()
        models[method] = init_model(ROOT / results[method].trial.config, checkpoint, 'cpu')
    dataset = DATASETS.build(next(iter(models.values())).cfg.val_dataloader.dataset)
    palette = dataset.metainfo['palette']
    panels = []
    for index in np.linspace(0, len(dataset) - 1, rows).astype(int):
        sample = dataset[int(index)]
        predictions = {
            title: inference_model(models[method], sample['data_samples'].img_path)
            for method, title in dict(source_only='before', adaptsegnet='after').items()
        }
        truth = sample['data_samples'].gt_sem_seg.data[0].numpy()
        panels.append(
            {
                'target image': sample['inputs'].numpy()[::-1].transpose(1, 2, 0),
                'ground truth': paint(truth, palette),
            }
            | {
                title: paint(prediction.pred_sem_seg.data[0].numpy(), palette)
                for title, prediction in predictions.items()
            }
        )
    save_panel(panels, file, dataset.metainfo['classes'], palette)


def main() -> None:
    args = parse_args()
    console = Console()
    work_dir = Path(args.work_dir)
    toy = Path(os.environ.setdefault('MMSEG_DA_DATA', str(ROOT / 'data')), 'toy')
    console.print(f'Drawing two toy domains in {toy}')
    make_toy_domains(toy, show_progress=True)
    console.print('Training three times: on the source, adapted to the target, on target labels')
    results = train(work_dir, args.seed, args.iterations, console)
    print_table(results, console)
    record = {method: asdict(result) for method, result in results.items()}
    (work_dir / 'results.json').write_text(json.dumps(record, indent=1) + '\n')
    draw(results, work_dir, work_dir / 'demo.png')
    console.print(f'Pictures: {work_dir}/demo.png; numbers: {work_dir}/results.json')


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    with user_errors():
        main()
