"""The toy configs of self-training cut down to seconds."""

from pathlib import Path

import pytest
from fresh_start import forget_runs
from labelling_helpers import written
from mmengine.config import Config
from staged_helpers import NO_VALIDATION, ROOT, results

from mmseg_da.engine.launch import load_config

CBST, MBT = (ROOT / f'configs/small/{name}_toy.py' for name in ('cbst', 'fda_mbt'))
STAGES = ('round0', 'labels1', 'round1', 'labels2', 'round2')
ITERATIONS = 4
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
TINY = {
    'train_dataloader.batch_size': 2,
    **{f'{loader}.num_workers': 0 for loader in LOADERS},
    **{f'{loader}.persistent_workers': False for loader in LOADERS},
    'default_hooks.logger.interval': 1,
    'default_hooks.checkpoint.interval': 2,
    'default_hooks.checkpoint.max_keep_ckpts': -1,
    'default_hooks.adaptation_view.interval': 0,
    'train_cfg.max_iters': ITERATIONS,
    'train_cfg.val_interval': 1000,
    'rounds.later.train_cfg.max_iters': ITERATIONS,
    'rounds.later.train_cfg.val_interval': 1000,
}
TWO = {'rounds.number': 2, 'rounds.members.b05': None}
"""For two networks and two rounds."""


def rounds_config(data: Path, work_dir: Path, path: Path = CBST, **options: object) -> Config:
    """Read a config, tiny; ``options`` as ``--cfg-options``."""
    forget_runs()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_DA_DATA', str(data))
        return load_config(str(path), TINY | NO_VALIDATION | options, str(work_dir))


def outcome(work_dir: Path, stages: tuple[str, ...] = STAGES) -> dict[str, dict]:
    """What each stage leaves: weights, optimizers and schedules, or labels and thresholds."""
    trained = [stage for stage in stages if stage.startswith('round')]
    others = [stage for stage in stages if stage not in trained]
    files = {stage: written(work_dir / stage) for stage in others}
    return results(work_dir, ITERATIONS, trained) | files
