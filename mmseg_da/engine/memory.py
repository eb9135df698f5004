"""What a training holds in memory at full size, from the shapes of its networks; nothing is trained.

The losses of each stage run on torch's meta device, which knows shapes alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_da.engine.launch import build_model
from mmseg_da.engine.stages import TrainingStage, split
from mmseg_da.errors import UserError
from mmseg_da.models.phased import PhasedModel
from mmseg_da.models.translators.fourier import FourierTranslator
from mmseg_da.registry import DATASETS, MODELS
from mmseg_da.structures import Draws

GIB = 2**30
KEPT = dict(SGD=1, Adam=2, AdamW=2)  # tensors beside each weight


def dicts_in(value: object) -> Iterator[dict]:
    """Every dict of a nested config, the outer ones first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from dicts_in(each)


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
    """Bytes that autograd keeps for each backward of one iteration, by phase and terms.

    The meta device has no Fourier transform: there, a ``FourierTranslator`` gives back the source. It
    learns nothing, so that its result has the same size and autograd keeps nothing of how it was made.

    Args:
        stage: One that trains. A plain segmentor of mmseg is computed as an adaptor that learns from
            its labels alone, whose losses are the same.
        device: Where to run it.

    Raises:
        UserError: The config does not say how large images are, or the segmentor is of a kind that is
            not known here.
    """
    model, cfg = _built(stage, device)
    batch = _batch(_sizes(model), cfg.train_dataloader.get('batch_size', 1), device)
    step = model.begin_step(batch)
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


def held_bytes(stage: TrainingStage) -> dict[str, int]:
    """Bytes that stay throughout a training, by what they are."""
    model, cfg = _built(stage, 'meta')
    parts = {
        name: sum(_bytes(each) for each in part.parameters() if each.requires_grad)
        for name, part in model.parts().items()
    }
    trained = sum(parts.values())
    everything = sum(map(_bytes, {id(t): t for t in _tensors(model)}.values()))
    return {
        'weights that are trained': trained,
        'their gradients': trained,
        'what optimizers keep': sum(
            size * _kept(cfg.optim_wrapper, name) for name, size in parts.items()
        ),
        'other weights and buffers, a teacher among them': everything - trained,
    }


def _kept(wrappers: Config, part: str) -> int:
    """How many tensors the optimizer of a part keeps beside each weight."""
    kind = wrappers.get(part, wrappers).optimizer.type
    if kind not in KEPT:
        raise UserError(f'optim_wrapper: how much {kind} keeps is not known, only {list(KEPT)}')
    return KEPT[kind]


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def trainings(cfg: Config) -> list[TrainingStage]:
    """The stages of a config; one that has none is a stage itself."""
    return split(cfg) if cfg.get('stages') else [TrainingStage('training', cfg)]


def _built(stage: TrainingStage, device: str) -> tuple[nn.Module, Config]:
    """The model of a stage, without the weights that it starts from."""
    cfg = Config(stage.cfg.to_dict(), filename=stage.cfg.filename)
    for part in dicts_in(cfg.model):
        part.pop('init_cfg', None)
        if part.get('type') == 'SyncBN':
            part['type'] = 'BN'
    if not issubclass(MODELS.get(cfg.model.type), PhasedModel):
        objectives = dict(seg=dict(type='SourceSupervision'))
        cfg.model = dict(type='DomainAdaptor', segmentor=cfg.model, objectives=objectives)
    model = build_model(cfg)
    target = cfg.train_dataloader.dataset.get('target')
    if target is not None and hasattr(model, 'name_classes'):  # as the runner does
        first = target[0] if isinstance(target, list | tuple) else target
        model.name_classes(tuple(DATASETS.build(_without_files(first)).metainfo['classes']))
    for module in model.modules():
        if isinstance(module, Draws):
            module.next()  # reads its seed, which has no value on the meta device
        if isinstance(module, FourierTranslator) and device == 'meta':
            module.translate = lambda source, _: source
    return model.to(device).train(), cfg


def _without_files(dataset: dict) -> dict:
    """The config of a data set that knows its classes and has read nothing."""
    if isinstance(dataset.get('dataset'), dict):  # one that changes another one's classes
        return dict(dataset, dataset=_without_files(dataset['dataset']))
    return dict(dataset, lazy_init=True, pipeline=[])


def _sizes(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Height and width of the training images of each domain that the model reads."""
    look = model.data_preprocessor
    sizes = {name: look.domains[name].size for name in look.needed}
    for name, size in sizes.items():
        if size is None:
            raise UserError(f'model.data_preprocessor has no `size` (height, width) for the {name}')
    return {name: tuple(size) for name, size in sizes.items()}


def _batch(sizes: dict[str, tuple[int, int]], number: int, device: str) -> dict:
    """Black images of the first class, which pseudo labels of target images say, too."""
    batch = {}
    for name, size in sizes.items():
        samples = [SegDataSample() for _ in range(number)]
        for sample in samples:
            labels = PixelData(data=torch.zeros(1, *size, dtype=torch.long, device=device))
            sample.gt_sem_seg = sample.pseudo_sem_seg = labels
        batch[name] = dict(
            inputs=torch.zeros(number, 3, *size, device=device), data_samples=samples
        )
    return batch
