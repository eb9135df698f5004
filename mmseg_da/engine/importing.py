"""Weights of other code, written as checkpoints of ours."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from mmseg.models.backbones import MixVisionTransformer
from torch import Tensor, nn

from mmseg_da.engine import launch
from mmseg_da.engine.dataset_meta import dataset_meta
from mmseg_da.engine.fitting import segmentor_of, weights_of
from mmseg_da.engine.foreign_checkpoints import Networks, fit, networks, require_free, write
from mmseg_da.errors import UserError
from mmseg_da.models.adaptors.domain_adaptor import SEGMENTOR, TEACHER
from mmseg_da.models.foreign_weights import (
    below,
    daformer_segmentor,
    deeplabv2_segmentor,
    mit_backbone,
    mit_config,
)
from mmseg_da.models.objectives import FeatureDistance

_VARIANTS = {  # width of the first stage and depths (Xie et al., 2021, table 6)
    (32, (2, 2, 2, 2)): 'MiT-B0',
    (64, (2, 2, 2, 2)): 'MiT-B1',
    (64, (3, 4, 6, 3)): 'MiT-B2',
    (64, (3, 4, 18, 3)): 'MiT-B3',
    (64, (3, 8, 27, 3)): 'MiT-B4',
    (64, (3, 6, 40, 3)): 'MiT-B5',
}
_BRANCHES = (
    'AdaptSegNet sums the first two branches of a classifier, ADVENT all four: see that the config does '
    'as the code that trained these weights'
)
_CLASSIFIER = ('head.weight', 'head.bias')


def import_mit(source: str, target: Path, force: bool = False) -> list[str]:
    """Write the weights of an original Mix Transformer for ``init_cfg`` of mmseg's.

    Those of a whole SegFormer will do: its backbone is taken.

    Args:
        source: File or address.
        target: The file to write.
        force: Replace it if it is there.

    Returns:
        What a user should know, line by line.

    Raises:
        UserError: The source cannot be read, is no Mix Transformer or not a whole one, or the
            target is in use or cannot be written to.
    """
    require_free(source, target, force)
    weights, notes = _encoder(_load(source)[1], source)
    arguments = mit_config(weights)
    if arguments is None:
        raise UserError(
            f'{source}: holds no original Mix Transformer, whose weights are called '
            f'patch_embed1.proj.weight and so on. It begins with {next(iter(weights))}.'
        )
    dropped = [name for name in _CLASSIFIER if weights.pop(name, None) is not None]
    network = MixVisionTransformer(**arguments)
    fitted = fit(network, mit_backbone(weights), source, 'the Mix Transformer of its own sizes')
    write(dict(meta={}, state_dict=fitted), target)
    number = sum(each.numel() for each in network.parameters())
    if dropped:
        notes.append('left out the classifier of ImageNet')
    return [f'wrote {target}: {mit_name(arguments)}, {number / 1e6:.2f} M parameters', *notes]


def import_daformer(
    cfg: Config,
    source: str,
    target: Path,
    teacher: bool = False,
    adaptor: bool = False,
    force: bool = False,
) -> list[str]:
    """Write a checkpoint of DAFormer, HRDA or MIC for the segmentor of a config.

    Args:
        cfg: A config of ours with the same network.
        source: File or address.
        target: The file to write.
        teacher: Write the weights of the teacher instead of the segmentor's.
        adaptor: Write both, and the encoder of a ``FeatureDistance``, for ``load_from`` of a
            training with ``model.teacher``.
        force: Replace ``target`` if it is there.

    Returns:
        What a user should know, line by line.

    Raises:
        UserError: As :func:`import_mit`, the network is another one than the config's, or there is
            no teacher where one is asked for.
    """
    require_free(source, target, force)
    loaded, weights = _load(source)
    held, meta = networks(weights), _meta(loaded)
    if (teacher or adaptor) and not held.teacher:
        raise UserError(f'{source}: holds no teacher, i.e. no weights that begin with ema_model.')
    model = _build(cfg, whole=adaptor)
    if adaptor:
        state = _adaptor_state(model, held, meta, source, cfg)
    else:
        state = _fit_segmentor(model, held.teacher if teacher else held.student, source, cfg)
    write(dict(meta=dict(dataset_meta=_classes(meta, cfg)), state_dict=state), target)
    which = 'segmentor and teacher' if adaptor else 'the teacher' if teacher else 'the segmentor'
    left = [f'{prefix}* ({number})' for prefix, number in held.others.items()]
    if held.imagenet and not adaptor:
        left.append(f'imnet_model.* ({len(held.imagenet)})')
    notes = [f'left out {", ".join(left)}'] if left else []
    return [f'wrote {target}: {which}', *notes, *epsilon_notes(segmentor_of(model))]


def _adaptor_state(
    model: nn.Module, held: Networks, meta: Mapping[str, Any], source: str, cfg: Config
) -> dict[str, Tensor]:
    """Segmentor, teacher, and the encoder of ImageNet's features where there is one."""
    if getattr(model, TEACHER, None) is None:
        raise UserError(f'{cfg.filename}: --adaptor needs a config with model.teacher')
    parts = {
        f'{SEGMENTOR}.': _fit_segmentor(model.segmentor, held.student, source, cfg),
        f'{TEACHER}.net.': _fit_segmentor(model.teacher.net, held.teacher, source, cfg),
        f'{TEACHER}.': dict(steps=torch.tensor(_updates(meta, model.teacher.alpha))),
    }
    imagenet = below(daformer_segmentor(held.imagenet), 'backbone.')
    for name, objective in model.objectives.items():
        if imagenet and isinstance(objective, FeatureDistance):
            fitted = fit(objective.encoder, imagenet, source, f'the encoder of {cfg.filename}')
            parts[f'objectives.{name}.encoder.'] = fitted
    return {prefix + name: each for prefix, part in parts.items() for name, each in part.items()}


def _fit_segmentor(
    network: nn.Module, weights: Mapping[str, Tensor], source: str, cfg: Config
) -> dict[str, Tensor]:
    return fit(network, daformer_segmentor(weights), source, _named(cfg))


def import_deeplabv2(cfg: Config, source: str, target: Path, force: bool = False) -> list[str]:
    """Write weights of AdaptSegNet's or ADVENT's DeepLabV2 for the segmentor of a config.

    AdaptSegNet's classifiers have four branches, of which its forward sums the first two. Where the
    config has two, the others are left out; so is the auxiliary classifier where it has none.

    Args:
        cfg: A config of ours with the same network.
        source: File or address.
        target: The file to write.
        force: Replace it if it is there.

    Returns:
        What a user should know, line by line.

    Raises:
        UserError: As :func:`import_daformer`.
    """
    require_free(source, target, force)
    loaded, weights = _load(source)
    network = _build(cfg)
    weights = deeplabv2_segmentor(weights)
    spare = sorted(name for name in set(weights) - set(network.state_dict()) if _spare(name))
    for name in spare:
        del weights[name]
    fitted = fit(network, weights, source, _named(cfg))
    meta = dict(dataset_meta=_classes(_meta(loaded), cfg))
    write(dict(meta=meta, state_dict=fitted), target)
    layers = sorted({name.rpartition('.')[0] for name in spare})
    notes = [f'left out {", ".join(layers)}'] if layers else []
    notes += [_BRANCHES] if any(name.startswith('decode_head.') for name in spare) else []
    return [f'wrote {target}: the segmentor', *notes]


def mit_name(arguments: Mapping[str, Any]) -> str:
    """What the paper calls a Mix Transformer of these arguments of mmseg's."""
    depths = tuple(arguments['num_layers'])
    return _VARIANTS.get((arguments['embed_dims'], depths), f'a MiT of depths {depths}')


def epsilon_notes(network: nn.Module) -> list[str]:
    """What to say of a Mix Transformer whose layer norms differ from the original's.

    The original has 1e-5 in the norms of patch embeddings and of reduced keys, mmseg 1e-6.
    """
    backbone = getattr(network, 'backbone', None)
    if not isinstance(backbone, MixVisionTransformer):
        return []
    odd = {
        each.eps
        for name, each in backbone.named_modules()
        if name.endswith(('.0.norm', '.attn.norm')) and not math.isclose(each.eps, 1e-5)
    }
    if not odd:
        return []
    return [
        f'the layer norms of patch embeddings and of reduced keys have eps {min(odd):g} here, but '
        '1e-5 where these weights were trained; backbone.type=ReleasedMixVisionTransformer has theirs'
    ]


def _load(source: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a file holds, and the weights in it: at the top, in ``state_dict`` or in ``model``."""
    loaded = CheckpointLoader.load_checkpoint(source, map_location='cpu')
    inner = loaded.get('model')
    weights = weights_of(inner if isinstance(inner, Mapping) else loaded)
    if not weights:
        raise UserError(f'{source}: holds no weights')
    return loaded, weights


def _encoder(weights: dict[str, Tensor], source: str) -> tuple[dict[str, Tensor], list[str]]:
    """The backbone of a segmentor, or the weights as they are."""
    for prefix in ('backbone.', 'model.backbone.'):
        inner = below(weights, prefix)
        if inner:
            left = len(weights) - len(inner)
            return inner, [f'took the backbone of {source}; left out {left} other weights']
    return dict(weights), []


def _build(cfg: Config, whole: bool = False) -> nn.Module:
    """The segmentor of a config, alone unless the whole adaptor is wanted, which takes its time."""
    model = cfg.get('model')
    if not model:
        raise UserError(f'{cfg.filename}: has no model')
    part = dict(model=model if whole else model.get(SEGMENTOR, model))
    part['default_scope'] = cfg.get('default_scope', 'mmseg')
    return launch.build_model(Config(part, filename=cfg.filename))


def _named(cfg: Config) -> str:
    return f'the segmentor of {cfg.filename}, which has to be the network of the file'


def _spare(name: str) -> bool:
    return name.startswith('auxiliary_head.') or '.branches.' in name


def _updates(meta: Mapping[str, Any], alpha: float) -> int:
    """How often the teacher has followed; enough for an end of its warm-up if it is not said."""
    number = meta.get('iter')
    return number if type(number) is int and number > 0 else math.ceil(1 / (1 - alpha))


def _meta(loaded: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = loaded.get('meta')
    return meta if isinstance(meta, Mapping) else {}


def _classes(meta: Mapping[str, Any], cfg: Config) -> dict[str, Any]:
    """Classes and palette of an mmcv 0.x checkpoint, else those of the config."""
    classes, palette = meta.get('CLASSES'), meta.get('PALETTE')
    named = isinstance(classes, list | tuple) and all(isinstance(each, str) for each in classes)
    if not (named and classes):
        return dataset_meta(None, cfg)
    given = dict(classes=tuple(classes), palette=palette)
    return dataset_meta({key: each for key, each in given.items() if each is not None}, cfg)
