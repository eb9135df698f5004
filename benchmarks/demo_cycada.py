"""Run CyCADA from one toy domain to another, and show what each of its stages brought.

One run of all stages, and one training on the target's labels (what adaptation could reach at best).
Prints a table, and writes ``cycada.png``, with source images in the look of the target, and
``results.json``.
"""

import mmseg_da  # noqa: F401  before mmseg, which needs its stand-in for compiled ops

# isort: split
import argparse
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmseg.apis import inference_model, init_model
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import nn
from trials import Trial, run_trials, scores, stages_of

from mmseg_da.errors import user_errors
from mmseg_da.registry import DATASETS
from mmseg_da.testing.toy_domains import make_toy_domains
from mmseg_da.visualization import paint, save_panel, to_picture

ROOT = Path(__file__).resolve().parents[1]
TITLES = dict(
    source='source only',
    segment='on translated images',
    align='CyCADA',
    upper_bound='upper bound',
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Run CyCADA between two toy domains on a CPU')
    parser.add_argument('--work-dir', default='work_dirs/demo_cycada', help='where to write')
    parser.add_argument('--iterations', type=int, help='another length of every stage')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()


def options_of(trial: Trial, iterations: int | None) -> list[str]:
    """The options that give every training of a trial as many iterations."""
    if not iterations:
        return []
    changed = {f'train_cfg.{key}': iterations for key in ('max_iters', 'val_interval')}
    changed['param_scheduler.0.end'] = iterations + 1
    for stage in stages_of(trial, ROOT, [], Path()):
        changed[f'stages.{stage.name}.train_cfg.max_iters'] = iterations
    return [f'{key}={value}' for key, value in changed.items()]


def train(work_dir: Path, seed: int, iterations: int | None, console: Console) -> dict[str, dict]:
    """What each stage that trains a segmentor reached; trials that are done are not run again."""
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), 'left:')
    adapted, best = (Trial(method, 'toy', seed) for method in ('cycada', 'upper_bound'))
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        results = run_trials(
            (adapted, best),
            work_dir,
            ROOT,
            lambda trial: options_of(trial, iterations),
            progress,
            jobs=min(2, os.cpu_count() or 1),
        )
    found = {}
    for stage in stages_of(adapted, ROOT, options_of(adapted, iterations), work_dir / adapted.name):
        if stage.name in TITLES:
            miou, ious = scores(stage.folder)
            found[stage.name] = dict(miou=miou, ious=ious, iterations=stage.iterations)
    upper = results[best]
    found['upper_bound'] = dict(miou=upper.miou, ious=upper.ious, iterations=upper.iterations)
    return found | dict(seconds={t.name: result.seconds for t, result in results.items()})


def print_table(results: dict[str, Any], console: Console) -> None:
    """IoU in percent per class, on the target's validation images."""
    table = Table(title='IoU on the unlabelled domain (percent)')
    table.add_column('class')
    for title in TITLES.values():
        table.add_column(title, justify='right')
    columns = [results[name] for name in TITLES]
    for name in columns[0]['ious']:
        table.add_row(name, *(f'{column["ious"][name]:.1f}' for column in columns))
    table.add_section()
    table.add_row('mIoU', *(f'{column["miou"]:.1f}' for column in columns))
    console.print(table)


def draw(folder: Path, file: Path, rows: int = 4) -> None:
    """A source image and its translation, a target image, its labels, and what two stages see."""
    models = {name: load(folder / name) for name in ('source', 'align')}
    cfg = models['align'].cfg
    source, target = (
        DATASETS.build(each)
        for each in (cfg.train_dataloader.dataset.source, cfg.val_dataloader.dataset)
    )
    palette = target.metainfo['palette']
    panels = []
    for share in np.linspace(0, 1, rows):
        image = source[int(share * (len(source) - 1))]['inputs']
        sample = target[int(share * (len(target) - 1))]
        panels.append(
            {
                'source image': to_picture(image.flip(0).float()),
                'translated': to_picture(translate(models['align'], image)),
                'target image': to_picture(sample['inputs'].flip(0).float()),
                'ground truth': paint(sample['data_samples'].gt_sem_seg.data[0].numpy(), palette),
            }
            | {
                TITLES[name]: paint(
                    inference_model(model, sample['data_samples'].img_path)
                    .pred_sem_seg.data[0]
                    .numpy(),
                    palette,
                )
                for name, model in models.items()
            }
        )
    save_panel(panels, file, target.metainfo['classes'], palette)


def load(folder: Path) -> nn.Module:
    """The model of a stage, by the config and the checkpoint that it left."""
    (config,) = folder.glob('*.py')
    return init_model(config, (folder / 'last_checkpoint').read_text().strip(), 'cpu')


@torch.no_grad()
def translate(model: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """RGB pixels (3, H, W) of a BGR image (3, H, W) in the look of the target."""
    pixels = image.flip(0).float()[None]
    return model.translator.translate(pixels, pixels)[0]


def main() -> None:
    args = parse_args()
    console = Console()
    work_dir = Path(args.work_dir)
    toy = Path(os.environ.setdefault('MMSEG_DA_DATA', str(ROOT / 'data')), 'toy')
    console.print(f'Drawing two toy domains in {toy}')
    make_toy_domains(toy, show_progress=True)
    console.print('Training: CyCADA in four stages and, beside it, once on target labels')
    results = train(work_dir, args.seed, args.iterations, console)
    print_table(results, console)
    (work_dir / 'results.json').write_text(json.dumps(results, indent=1) + '\n')
    draw(work_dir / Trial('cycada', 'toy', args.seed).name, work_dir / 'cycada.png')
    console.print(f'Pictures: {work_dir}/cycada.png; numbers: {work_dir}/results.json')


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    with user_errors():
        main()
