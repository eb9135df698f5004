"""The toy configs of self-training cut down to seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_helpers import load
from fresh_start import forget_runs
from labelling_helpers import written
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image
from staged_helpers import NO_VALIDATION, ROOT, results

from mmseg_da.engine.launch import load_config
from mmseg_da.registry import MODELS

CBST, MBT = (ROOT / f'configs/small/{name}_toy.py' for name in ('cbst', 'fda_mbt'))
STAGES = ('round0', 'labels1', 'round1', 'labels2', 'round2')
ITERATIONS = 4
FINAL = f'iter_{ITERATIONS}.pth'
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


def read(path: Path) -> np.ndarray:
    """A label as it is stored."""
    with Image.open(path) as picture:
        return np.asarray(picture)


def predicted(data: Path, cfg: Config, checkpoint: Path) -> dict[str, np.ndarray]:
    """Probabilities of the target's training images by name, in plain mmseg."""
    init_default_scope('mmseg')
    network = MODELS.build(cfg.model.segmentor).eval()
    state = load(checkpoint)['state_dict']
    prefix = 'segmentor.'
    network.load_state_dict(
        {key[len(prefix) :]: each for key, each in state.items() if key.startswith(prefix)}
    )
    look, found = cfg.model.data_preprocessor, {}
    for path in sorted((data / 'toy/cityscapes/leftImg8bit/train').rglob('*.png')):
        pixels = torch.from_numpy(read(path).copy()).permute(2, 0, 1)[None].float()
        mean, std = (torch.tensor(each)[:, None, None] for each in (look.mean, look.std))
        with torch.no_grad():
            scores = network.decode_head(network.backbone((pixels - mean) / std))
        found[path.name] = torch.nn.functional.interpolate(
            scores.softmax(dim=1), pixels.shape[-2:], mode='bilinear'
        )[0].numpy()
    return found
