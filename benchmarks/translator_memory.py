"""Memory of one iteration of CycleGAN, by how its losses are back-propagated. Measured, on the CPU.

    python benchmarks/translator_memory.py
    python benchmarks/translator_memory.py --size 64 --channels 16

Each way makes the same update. Printed is the peak of live tensor bytes that the second iteration
allocates, beside weights and optimizers, and the time of the first one.
"""

import argparse
import logging
from collections.abc import Sequence
from typing import NamedTuple

import torch
from measure import environment, environment_text, peak_bytes, seconds, threads
from methods import METHODS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from mmseg_da.engine.activation_checkpointing import checkpoint_activations
from mmseg_da.errors import UserError, user_errors
from mmseg_da.models import CycleTranslator
from mmseg_da.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmseg_da.testing import toy_batch

BLOCKS = 9
DIRECTIONS = ('source_to_target', 'target_to_source')
GENERATORS = tuple(f'generators.{each}.model' for each in DIRECTIONS)
FIRST_BLOCK = 10  # of the generator's layers


class Way(NamedTuple):
    """How an iteration is back-propagated: ``backward``, and ``activation_checkpointing``."""

    backward: str
    names: tuple[str, ...] = ()


def ways(blocks: int = BLOCKS) -> dict[str, Way]:
    """What is compared, the one that holds everything first."""
    layers = range(FIRST_BLOCK, FIRST_BLOCK + blocks)
    each_block = tuple(f'{name}.{layer}' for name in GENERATORS for layer in layers)
    return {
        'summed': Way('summed'),
        'stages (the default)': Way('stages'),
        'stages, residual blocks checkpointed': Way('stages', each_block),
        'summed, generators checkpointed': Way('summed', GENERATORS),
        'stages, generators checkpointed': Way('stages', GENERATORS),
    }


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measure the memory of a CycleGAN iteration')
    parser.add_argument('--size', type=int, default=128, help='sides of the crops')
    parser.add_argument('--batch', type=int, default=1, help='images of each domain')
    parser.add_argument('--channels', type=int, default=64, help='of the first layers')
    parser.add_argument('--blocks', type=int, default=BLOCKS, help='residual blocks')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(args)


def build(way: Way, args: argparse.Namespace) -> CycleTranslator:
    """The translator with CycleGAN's networks, of the width and depth asked for."""
    torch.manual_seed(args.seed)
    cfg = METHODS['cycada_translate'].model(None) | dict(backward=way.backward)
    cfg['generator'] = cfg['generator'] | dict(blocks=args.blocks, channels=args.channels)
    cfg['discriminator'] = cfg['discriminator'] | dict(channels=args.channels)
    for domain in ('source', 'target'):
        cfg['data_preprocessor'][domain] = dict(size=(args.size, args.size))
    model = MODELS.build(Config(dict(model=cfg)).model)
    model.init_weights()
    checkpoint_activations(model.train(), way.names)
    return model


def measure(way: Way, args: argparse.Namespace) -> tuple[int, float]:
    """Peak bytes of the second iteration, and seconds of the first."""
    model, cfg = build(way, args), METHODS['cycada_translate'].optimizers()
    kind = cfg.pop('constructor')
    wrappers = OPTIM_WRAPPER_CONSTRUCTORS.build(dict(type=kind, optim_wrapper_cfg=cfg))(model)
    size = (args.size, args.size)
    batch = toy_batch(args.batch, size, size, seed=args.seed)
    wall, _ = seconds(lambda: model.train_step(batch, wrappers))  # also makes the optimizers' state
    return peak_bytes(lambda: model.train_step(batch, wrappers)), wall


def table(found: dict[str, tuple[int, float]]) -> str:
    """The rows as Markdown; shares are of the first."""
    first = next(iter(found.values()))[0]
    lines = ['| backward | MiB | share | seconds |', '|---|---:|---:|---:|']
    lines += [
        f'| {name} | {peak / 2**20:.1f} | {peak / first:.2f} | {wall:.1f} |'
        for name, (peak, wall) in found.items()
    ]
    return '\n'.join(lines) + '\n'


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if args.size % 4 or args.size < 32:
        raise UserError(f'--size {args.size}: give a multiple of 4 pixels, 32 or more')
    if min(args.batch, args.channels, args.blocks) < 1:
        raise UserError('--batch, --channels, --blocks: give 1 or more')
    init_default_scope('mmseg')
    MMLogger.get_instance('mmengine', log_level='ERROR').setLevel(logging.ERROR)
    with threads(args.threads):
        facts = environment(args.seed)
        found = {name: measure(way, args) for name, way in ways(args.blocks).items()}
    print(f'{environment_text(facts)}\n{table(found)}')


if __name__ == '__main__':
    with user_errors():
        main()
