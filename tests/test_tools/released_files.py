"""Checkpoint files in the layouts of the released code, with small networks and random weights."""

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from released_deeplabv2 import ReleasedDeepLabV2
from released_networks import (
    ReleasedDAFormerHead,
    ReleasedHRDA,
    ReleasedMiT,
    ReleasedSegmentor,
    randomise,
)
from tool_helpers import ROOT

WIDTHS, HEADS, DEPTHS, REDUCTIONS = (4, 8, 20, 32), (1, 2, 5, 8), (1, 1, 1, 1), (8, 4, 2, 1)
NAMES = tuple(Config.fromfile(ROOT / 'configs/_base_/datasets/toy.py').metainfo['classes'])
PALETTE = [[i, 2 * i, 3 * i] for i in range(10)]
MIT = dict(
    type='ReleasedMixVisionTransformer',
    embed_dims=4,
    num_layers=list(DEPTHS),
    num_heads=list(HEADS),
    sr_ratios=list(REDUCTIONS),
)


def mit(seed: int = 0) -> ReleasedMiT:
    return randomise(ReleasedMiT(WIDTHS, HEADS, DEPTHS, REDUCTIONS), seed).float()


def daformer(seed: int = 0) -> ReleasedSegmentor:
    head = ReleasedDAFormerHead(WIDTHS, 6, len(NAMES))
    return randomise(ReleasedSegmentor(mit(), head), seed).float()


def networks(seed: int = 0) -> dict[str, ReleasedSegmentor]:
    """Student, teacher and ImageNet network of DAFormer's training, by their prefixes."""
    return {
        'model.': daformer(seed),
        'ema_model.': daformer(seed + 1),
        'imnet_model.': daformer(seed + 2),
    }


def save(path: Path, state: dict, **meta: object) -> Path:
    """Write as mmcv 0.x does, with an optimizer."""
    text = 'model = dict(type="EncoderDecoder")\nuda = dict(type="DACS")\n'
    shared = dict(
        env_info='sys.platform: linux\nPython: 3.8.5',
        mmseg_version='0.16.0+1234567',
        mmcv_version='1.3.7',
        config=text,
        seed=0,
        exp_name='daformer.json',
        epoch=1,
        iter=40000,
        time='Mon Nov  8 16:22:00 2021',
        hook_msgs=dict(best_score=np.float64(0.68)),
        CLASSES=NAMES,
        PALETTE=PALETTE,
    )
    optimizer = dict(
        state={0: dict(step=40000, exp_avg=torch.zeros(2), exp_avg_sq=torch.zeros(2))},
        param_groups=[dict(lr=6e-6, betas=(0.9, 0.999), eps=1e-8, params=[0])],
    )
    meta = {name: each for name, each in (shared | meta).items() if each is not None}
    torch.save(dict(meta=meta, state_dict=OrderedDict(state), optimizer=optimizer), path)
    return path


def state_of(parts: dict[str, torch.nn.Module]) -> dict[str, torch.Tensor]:
    """One state dict of several networks with a prefix each."""
    return {
        prefix + name: value
        for prefix, network in parts.items()
        for name, value in network.state_dict().items()
    }


def hrda(seed: int = 0) -> ReleasedHRDA:
    heads = [
        ReleasedDAFormerHead(WIDTHS, 6, len(NAMES)),
        ReleasedDAFormerHead(WIDTHS, 8, len(NAMES), dilations=None),
    ]
    return randomise(ReleasedHRDA(mit(), *heads, side=32), seed).float()


def write_config(path: Path, segmentor: dict, **objectives: dict) -> Path:
    """A config of ours for toy data with a teacher, this segmentor, and further objectives."""
    cfg = Config.fromfile(ROOT / 'configs/small/dacs_toy.py')
    cfg.model.segmentor = segmentor
    cfg.model.objectives.update(objectives)
    cfg.dump(path)
    return path


def _head(**settings: object) -> dict:
    return dict(
        type='DAFormerHead',
        in_channels=list(WIDTHS),
        in_index=[0, 1, 2, 3],
        num_classes=len(NAMES),
        norm_cfg=dict(type='BN'),
        align_corners=False,
        **settings,
    )


def segmentor() -> dict:
    """Config of what :func:`daformer` is, as ours."""
    shared = dict(backbone=MIT, decode_head=_head(channels=6), test_cfg=dict(mode='whole'))
    return dict(type='EncoderDecoder', **shared)


def hrda_segmentor() -> dict:
    """Config of what :func:`hrda` is, as ours."""
    attention = _head(channels=8, dilations=None)
    own = dict(type='HRDAEncoderDecoder', scale_attention=attention, detail_crop=(32, 32))
    return segmentor() | own


def deeplabv2(summed: int = 2) -> ReleasedDeepLabV2:
    return randomise(ReleasedDeepLabV2(2, len(NAMES), summed=summed)).float()


def deeplabv2_segmentor(summed: int = 2) -> dict:
    """Config of what :func:`deeplabv2` is, as ours."""
    shared = dict(
        type='ASPPV2Head',
        num_classes=len(NAMES),
        align_corners=True,
        dilations=(6, 12, 18, 24)[:summed],
    )
    return dict(
        type='EncoderDecoder',
        backbone=dict(
            type='CeilPoolResNet',
            depth=50,
            stem_channels=2,
            base_channels=2,
            style='caffe',
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            contract_dilation=False,
        ),
        decode_head=dict(in_channels=64, in_index=3, **shared),
        auxiliary_head=dict(in_channels=32, in_index=2, **shared),
        test_cfg=dict(mode='whole'),
    )


class _Python2Pickler(pickle._Pickler):
    """Writes text as bytes and an OrderedDict by its constructor, as Python 2 did."""

    def save_bytes_text(self, text: str) -> None:
        encoded = text.encode()
        assert len(encoded) < 256
        self.write(pickle.SHORT_BINSTRING + bytes([len(encoded)]) + encoded)
        self.memoize(text)

    dispatch = pickle._Pickler.dispatch | {str: save_bytes_text}

    def reducer_override(self, value: object) -> object:
        if type(value) is OrderedDict:
            return OrderedDict, ([list(each) for each in value.items()],), value.__dict__ or None
        return NotImplemented


class _Python2Pickle:
    """What ``torch.save`` needs of a pickle module."""

    Pickler = _Python2Pickler

    @staticmethod
    def dump(value: object, file: object, protocol: int) -> None:
        _Python2Pickler(file, protocol).dump(value)


def save_as_python2(state: dict, path: Path) -> None:
    """Write a state dict as torch 0.4 on Python 2, by which AdaptSegNet's were written."""
    torch.save(
        OrderedDict(state),
        path,
        pickle_module=_Python2Pickle,
        pickle_protocol=2,
        _use_new_zipfile_serialization=False,
    )
