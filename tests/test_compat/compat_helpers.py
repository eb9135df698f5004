"""Real checkpoints of a real Runner, and files that only look like checkpoints."""

import pickle
import zipfile
from pathlib import Path

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

import mmseg_da  # noqa: F401  (its loader is what these checkpoints are for)

MAX_ITERS = 4


class ToyModel(BaseModel):
    """A linear model with the interface that Runner asks for."""

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg=init_cfg)
        self.linear = nn.Linear(3, 2)

    def forward(self, inputs, mode='tensor'):
        output = self.linear(inputs)
        return {'loss': output.square().mean()} if mode == 'loss' else output


class Ones(Dataset):
    """Eight samples of ones, as the batches of a loss that can be followed."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {'inputs': torch.ones(3)}


def make_runner(work_dir: Path, max_iters: int = MAX_ITERS, **kwargs) -> Runner:
    """Build a Runner of the toy model, with a momentum that a resume has to restore."""
    torch.manual_seed(0)
    return Runner(
        model=ToyModel(kwargs.pop('init_cfg', None)),
        work_dir=str(work_dir),
        train_dataloader={
            'batch_size': 2,
            'num_workers': 0,
            'dataset': Ones(),
            'collate_fn': {'type': 'default_collate'},
            'sampler': {'type': 'InfiniteSampler', 'shuffle': False},
        },
        train_cfg={'by_epoch': False, 'max_iters': max_iters},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1, 'momentum': 0.9}},
        param_scheduler={'type': 'PolyLR', 'end': 20, 'by_epoch': False},
        default_hooks={
            'logger': {'type': 'LoggerHook', 'interval': 1},
            'checkpoint': {'type': 'CheckpointHook', 'interval': 2, 'by_epoch': False},
        },
        log_processor={'by_epoch': False},
        randomness={'seed': 0},
        experiment_name=f'{work_dir.name}_{max_iters}_{len(kwargs)}',
        **kwargs,
    )


def read_pickle(path: Path) -> bytes:
    """Return the pickle inside a zip checkpoint."""
    with zipfile.ZipFile(path) as archive:
        (name,) = (item for item in archive.namelist() if item.endswith('/data.pkl'))
        return archive.read(name)


def with_pickle(source: Path, target: Path, content: bytes) -> Path:
    """Copy a zip checkpoint with another pickle inside."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, 'w') as new:
        for item in old.infolist():
            data = content if item.filename.endswith('/data.pkl') else old.read(item)
            new.writestr(item.filename, data)
    return target


def zip_checkpoint(path: Path, content: bytes) -> Path:
    """Write a zip checkpoint around a pickle of our own."""
    template = path.with_suffix('.template')
    torch.save({}, template)
    with_pickle(template, path, content)
    template.unlink()
    return path


def legacy_checkpoint(path: Path, content: bytes) -> Path:
    """Write a checkpoint in the format before zip files, around a pickle of our own."""
    head = (0x1950A86A20F9469CFC6C, 1001, {'protocol_version': 1001, 'little_endian': True})
    data = b''.join(pickle.dumps(item, protocol=2) for item in head)
    path.write_bytes(data + content + pickle.dumps([], protocol=2))
    return path
