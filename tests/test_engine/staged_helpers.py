"""The toy config of CyCADA cut down to seconds, and ways to interrupt it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from checkpoint_helpers import differing, load
from fresh_start import forget_runs
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_da.engine.launch import load_config
from mmseg_da.registry import HOOKS

ROOT = Path(__file__).resolve().parents[2]
CYCADA = ROOT / 'configs/small/cycada_toy.py'
STAGES = ('source', 'translate', 'segment', 'align')
TRANSLATE = 'stages.translate.model'
TINY = {
    'model.translator.generator.blocks': 1,
    'model.translator.generator.channels': 4,
    f'{TRANSLATE}.generator.blocks': 1,
    f'{TRANSLATE}.generator.channels': 4,
    f'{TRANSLATE}.discriminator.channels': 4,
    f'{TRANSLATE}.pool_size': 3,
    'model.objectives.align.discriminator.channels': [8],
    'model.objectives.align.gate_window': 2,
    'model.objectives.align.gate': 0.0,
    'train_dataloader.batch_size': 1,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
    'default_hooks.logger.interval': 1,
    'default_hooks.checkpoint.interval': 2,
    'default_hooks.checkpoint.max_keep_ckpts': -1,
}
NO_VALIDATION = dict(val_cfg=None, val_dataloader=None, val_evaluator=None)


def lengths(iterations: int) -> dict[str, int]:
    """Options that give every stage as many iterations."""
    each = {f'stages.{stage}.train_cfg.max_iters': iterations for stage in STAGES}
    return each | {'train_cfg.max_iters': iterations, 'train_cfg.val_interval': iterations}


def staged_config(data: Path, work_dir: Path, iterations: int = 2, **options: object) -> Config:
    """Read the config, tiny and without validation; ``options`` as ``--cfg-options``."""
    forget_runs()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_DA_DATA', str(data))
        return load_config(
            str(CYCADA), TINY | NO_VALIDATION | lengths(iterations) | options, str(work_dir)
        )


def as_options(*settings: dict[str, object]) -> list[str]:
    """The same as the command line takes it."""
    merged = {key: value for each in settings for key, value in each.items()}
    return [f'{key}={value}'.replace(' ', '') for key, value in merged.items()]


def stop_at(stage: str, iteration: int) -> dict[str, list]:
    """The option that interrupts a stage in an iteration, from 1; in 0, before the first."""
    return {f'stages.{stage}.custom_hooks': [dict(type='InterruptHook', iteration=iteration)]}


@HOOKS.register_module()
class InterruptHook(Hook):
    """Ends a training as Ctrl-C does, after an iteration and before it can be saved."""

    priority = 'HIGHEST'

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def before_train(self, runner: Runner) -> None:
        if self.iteration == 0:
            raise KeyboardInterrupt

    def after_train_iter(self, runner: Runner, *_: object, **__: object) -> None:
        if runner.iter + 1 == self.iteration:
            raise KeyboardInterrupt


def results(work_dir: Path, iterations: int, stages: Sequence[str] = STAGES) -> dict[str, dict]:
    """The final checkpoint of each stage: weights, pools, optimizers and schedules."""
    files = {stage: load(work_dir / stage / f'iter_{iterations}.pth') for stage in stages}
    kept = ('state_dict', 'optimizer', 'param_schedulers')
    return {stage: {key: file[key] for key in kept} for stage, file in files.items()}


def assert_same(one: dict[str, dict], other: dict[str, dict]) -> None:
    """Two runs' results are the same, bit for bit."""
    assert one.keys() == other.keys()
    for stage in one:
        assert differing(one[stage], other[stage]) == [], stage


def log_of(work_dir: Path) -> str:
    """The newest log of a stage."""
    return sorted(work_dir.glob('*/*.log'))[-1].read_text()
