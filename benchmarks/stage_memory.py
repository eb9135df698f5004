"""Compute what autograd keeps in each backward of a method at full size; nothing is trained.

    python benchmarks/stage_memory.py configs/cycada_gta2cs.py configs/daformer_gta2cs.py

Runs every stage's losses on torch's meta device, which knows shapes alone, and sums the bytes of what
autograd saves for the backward, weights left out: activations, which are most of a training's memory.
Weights, their gradients, optimizers and the pools come on top. Float32, the config's batch.
"""

import mmseg_da  # noqa: F401  before mmseg, which needs its stand-in for compiled ops

# isort: split
import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from networks import dicts_in
from torch import Tensor, nn

from mmseg_da.engine.launch import build_model, load_config
from mmseg_da.engine.stages import TrainingStage, split
from mmseg_da.errors import user_errors
from mmseg_da.models.objectives.taught import Draws
from mmseg_da.registry import DATASETS

GIB = 2**30


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Compute activation memory per stage')
    parser.add_argument('configs', nargs='+')
    return parser.parse_args()


@contextmanager
def saved_bytes(model: nn.Module) -> Iterator[list[Tensor]]:
    """Collects the tensors, one per storage, that autograd saves inside of the context."""
    # By address; that they are held here keeps them alive, so that none comes twice.
    own = {_address(each): each for each in (*model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}
    saved: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        address = _address(tensor)
        if address not in own and address not in kept:
            kept[address] = tensor
            saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield saved


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def kept_bytes(stage: TrainingStage, device: str = 'meta') -> dict[str, int]:
    """Bytes that autograd keeps for each backward of one iteration, by phase and terms."""
    cfg = Config(stage.cfg.to_dict(), filename=stage.cfg.filename)
    for part in dicts_in(cfg.model):
        part.pop('init_cfg', None)
        if part.get('type') == 'SyncBN':
            part['type'] = 'BN'
    sizes = _sizes(cfg)
    model = _ready(build_model(cfg), cfg).to(device).train()
    step = model.begin_step(_batch(sizes, cfg.train_dataloader.batch_size, device))
    found = {}
    for phase in model._phases:  # all, whether a gate is open or not
        with model.only(phase.part):
            for part in phase.stages:
                with saved_bytes(model) as saved:
                    losses = model.stage_losses(step, part)
                name = f'{phase.name} ({", ".join(part.terms)})'
                found[name] = sum(each.untyped_storage().nbytes() for each in saved)
                del losses, saved
                model.end_stage(step, part)
    return found


def _ready(model: nn.Module, cfg: Config) -> nn.Module:
    """Tell it what a training does before its first iteration, while its tensors have values."""
    if hasattr(model, 'name_classes'):
        data = cfg.train_dataloader.dataset.target
        metainfo = data.get('metainfo') or DATASETS.get(data.type).METAINFO
        model.name_classes(tuple(metainfo['classes']))
    for each in model.modules():
        if isinstance(each, Draws):
            each.next()  # from now on it knows its number without asking the device
    return model


def stages_of(cfg: Config) -> list[TrainingStage]:
    """The stages of a config; one that has none is a stage itself."""
    return split(cfg) if 'stages' in cfg else [TrainingStage('train', cfg)]


def _sizes(cfg: Config) -> dict[str, tuple[int, int]]:
    """Height and width of each domain's training images."""
    look = cfg.model.data_preprocessor
    return {
        name: tuple((look.get(name) or {}).get('size') or look.size)
        for name in ('source', 'target')
    }


def _batch(sizes: dict[str, tuple[int, int]], number: int, device: str) -> dict:
    batch = {}
    for name, size in sizes.items():
        samples = [SegDataSample() for _ in range(number)]
        for sample in samples:
            sample.gt_sem_seg = PixelData(
                data=torch.zeros(1, *size, dtype=torch.long, device=device)
            )
        batch[name] = dict(
            inputs=torch.zeros(number, 3, *size, device=device), data_samples=samples
        )
    return batch


def main() -> None:
    for path in parse_args().configs:
        cfg = load_config(path, None, None)
        print(f'| {path} | backward of | GiB |\n|---|---|---:|')
        for stage in stages_of(cfg):
            if stage.given is None:
                for name, size in kept_bytes(stage).items():
                    print(f'| {stage.name} | {name} | {size / GIB:.2f} |')


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    with user_errors():
        main()
