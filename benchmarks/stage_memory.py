"""Compute what a training holds in memory at full size, stage by stage; nothing is trained.

    python benchmarks/stage_memory.py configs/cycada_gta2cs.py configs/mic_daformer_gta2cs.py

Runs every stage's losses on torch's meta device, which knows shapes alone, and sums the bytes of what
autograd saves for the backward, weights left out: activations, which are most of a training's memory.
What stays throughout comes on top: weights, their gradients, what optimizers keep, and networks that
are not trained, such as a mean teacher. The largest stage and these are the last row; an image pool,
what a network without a graph needs for a moment, and the library's work space are not in it.
Float32, the config's batch.
"""

import mmseg_da  # noqa: F401  before mmseg, which needs its stand-in for compiled ops

# isort: split
import argparse
import warnings

from mmengine.config import Config

from mmseg_da.engine.launch import load_config
from mmseg_da.engine.memory import GIB, held_bytes, kept_bytes, trainings
from mmseg_da.engine.stage_kinds import TRAIN
from mmseg_da.errors import user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Compute activation memory per stage')
    parser.add_argument('configs', nargs='+')
    return parser.parse_args()


def table(cfg: Config, path: str) -> str:
    """The rows of a config as Markdown."""
    lines = [f'| {path} | what | GiB |', '|---|---|---:|']
    for stage in trainings(cfg):
        if stage.given is not None or stage.kind != TRAIN:
            continue
        saved, held = kept_bytes(stage), held_bytes(stage)
        rows = {f'backward of {name}': size for name, size in saved.items()} | held
        rows['together, at the largest backward'] = max(saved.values()) + sum(held.values())
        lines += [f'| {stage.name} | {name} | {size / GIB:.2f} |' for name, size in rows.items()]
    return '\n'.join(lines)


def main() -> None:
    for path in parse_args().configs:
        print(table(load_config(path, None, None), path), end='\n\n')


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    with user_errors():
        main()
