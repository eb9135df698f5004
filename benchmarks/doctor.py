"""Time of the doctor and of the report on many small files.

    python benchmarks/doctor.py --images 25000

Writes that many image and label pairs of 64x64, a third of them each the source, the target and the
validation, and a log of as many lines with a checkpoint, to a folder that is deleted at the end. Each row is measured in
a process of its own, of which the highest memory is.
"""

import argparse
import json
import multiprocessing
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import environment, environment_text
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from mmseg_da.doctor import examine
from mmseg_da.errors import user_errors
from mmseg_da.registry import MODELS
from mmseg_da.report import make_report, predict, read_run
from mmseg_da.testing import toy_preprocessor, toy_segformer

SIDE, CLASSES = 64, ('road', 'car', 'sky', 'person')
DOMAINS = ('source', 'target', 'validation')
PREDICTED = 100  # of the report, by default


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Time the doctor and the report on many files')
    parser.add_argument('--images', type=int, default=25000)
    parser.add_argument('--nproc', type=int, default=2)
    return parser.parse_args(args)


def write_images(folder: Path, numbers: range) -> None:
    """Pairs with their number in them, so that no two are alike, whatever their folder."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    labels = Image.fromarray(rng.integers(0, 4, (SIDE, SIDE), dtype=np.uint8))
    for kind in ('images', 'labels'):
        (folder / kind).mkdir(parents=True)
    for i in numbers:
        base[0, :8, 0] = [(i >> shift) & 255 for shift in range(0, 32, 4)]
        Image.fromarray(base).save(folder / f'images/{i}.png', compress_level=1)
        labels.save(folder / f'labels/{i}.png', compress_level=1)


def config_of(folder: Path) -> Config:
    """A config of both domains and a validation of images of its own, with labels."""
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]
    parts = {
        name: dict(
            type='BaseSegDataset',
            data_root=str(folder / name),
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            img_suffix='.png',
            metainfo=dict(classes=CLASSES, palette=[[i, i, i] for i in range(4)]),
            pipeline=pipeline,
        )
        for name in DOMAINS
    }
    target = parts['target'] | dict(data_prefix=dict(img_path='images'), pipeline=pipeline[::2])
    (folder / 'many.py').touch()  # for the messages
    size = dict(source=dict(size=(SIDE, SIDE)), target=dict(size=(SIDE, SIDE)))
    return Config(
        dict(
            model=dict(
                type='DomainAdaptor',
                segmentor=toy_segformer(),
                objectives=dict(seg=dict(type='SourceSupervision')),
                data_preprocessor=toy_preprocessor() | size,
            ),
            train_dataloader=dict(
                batch_size=2,
                num_workers=1,
                dataset=dict(type='SourceTargetDataset', source=parts['source'], target=target),
            ),
            val_dataloader=dict(batch_size=1, num_workers=1, dataset=parts['validation']),
            val_cfg=dict(type='ValLoop'),
            val_evaluator=dict(type='IoUMetric'),
            optim_wrapper=dict(
                constructor='PartwiseOptimWrapperConstructor',
                segmentor=dict(optimizer=dict(type='SGD', lr=0.1)),
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=10, val_interval=10),
        ),
        filename=str(folder / 'many.py'),
    )


def write_run(folder: Path, lines: int, cfg: Config) -> None:
    """A work dir whose log has as many lines, with a checkpoint of random weights."""
    inner = folder / '20260101_000000/vis_data'
    inner.mkdir(parents=True)
    cfg.test_dataloader, cfg.test_evaluator = cfg.val_dataloader, cfg.val_evaluator
    cfg.test_cfg = dict(type='TestLoop')
    cfg.train_cfg.max_iters, cfg.default_scope = lines, 'mmseg'
    cfg.dump(inner / 'config.py')
    with DefaultScope.overwrite_default_scope('mmseg'):
        weights = MODELS.build(cfg.model).state_dict()
    meta = dict(dataset_meta=dict(classes=CLASSES))
    torch.save(dict(state_dict=weights, meta=meta), folder / f'iter_{lines}.pth')
    with (inner / 'scalars.json').open('w') as file:
        for step in range(1, lines + 1):
            values = {'seg.decode.loss_ce': 1 / step, 'segmentor.lr': 1e-3, 'step': step}
            file.write(json.dumps(values) + '\n')


def visit(folder: Path, images: int, nproc: int) -> None:
    """The doctor's page of all images."""
    examine(config_of(folder), 'many.py', images, nproc).page().write(folder / 'a.html')


def report(folder: Path) -> None:
    """The report's page, with what the checkpoint predicts on its first images."""
    run = read_run(folder / 'run')
    make_report([run], {run.name: predict(run, PREDICTED)}).write(folder / 'b.html')


def timed(what: str, task: Callable[[], object]) -> str:
    """A row of the table, for a task in a new process, which starts at its own memory."""
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        seconds, own, workers = pool.submit(measured, task).result()
    return f'| {what} | {seconds:.1f} | {own:.0f} | {workers:.0f} |'


def measured(task: Callable[[], object]) -> tuple[float, float, float]:
    """Seconds, and the highest MiB of this process and of the largest worker."""
    start = time.perf_counter()
    task()
    seconds = time.perf_counter() - start
    return seconds, peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10


def peak() -> float:
    """The highest MiB of this process; ``getrusage`` counts what started it, too."""
    status = Path('/proc/self/status').read_text()
    return int(re.search(r'VmHWM:\s*(\d+) kB', status)[1]) / 2**10


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    rows = ['| what | seconds | highest MiB, process | largest worker |', '|---|---:|---:|---:|']
    with tempfile.TemporaryDirectory() as name:
        folder, third = Path(name), args.images // len(DOMAINS)
        print(f'Writing {args.images} pairs', file=sys.stderr)
        for number, domain in enumerate(DOMAINS):
            write_images(folder / domain, range(third * number, third * (number + 1)))
        write_run(folder / 'run', args.images, config_of(folder))
        doctor = partial(visit, folder, args.images, args.nproc)
        rows.append(timed(f'doctor, {args.images} images, all opened', doctor))
        what = f'report, {args.images} lines of log, {PREDICTED} of {third} images predicted'
        rows.append(timed(what, partial(report, folder)))
    print(f'{environment_text(environment(0))}\n' + '\n'.join(rows))


if __name__ == '__main__':
    with user_errors():
        main()
