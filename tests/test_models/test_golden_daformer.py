"""Sizes of DAFormer's configs at full size, and how its networks start.

Networks are built on the meta device: shapes without values.
"""

from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from torch import nn
from torch.overrides import TorchFunctionMode

from mmseg_da.engine.launch import load_config
from mmseg_da.models import DAFormerHead, ReleasedMixVisionTransformer
from mmseg_da.registry import MODELS
from mmseg_da.structures import dense_forward

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
# Millions of weights of the encoder and of the head.
SIZES = dict(
    daformer_gta2cs=(81.44, 3.71),
    daformer_synthia2cs=(81.44, 3.71),
    daformer_cs2acdc=(81.44, 3.71),
    daformer_cs2darkzurich=(81.44, 3.71),
    fda_daformer_gta2cs=(81.44, 3.71),
    mic_daformer_gta2cs=(81.44, 3.71),
    daformer_segformer_gta2cs=(3.32, 0.94),
)


class NumbersOnTheHost(TorchFunctionMode):
    """Numbers that are read while a model is built have values: drop-path rates, means of images."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (torch.linspace, torch.tensor):
            kwargs['device'] = 'cpu'
        return func(*args, **kwargs)


def model_of(name: str) -> nn.Module:
    cfg = load_config(str(CONFIGS / f'{name}.py'), None, None)
    init_default_scope(cfg.default_scope)
    model = ConfigDict(cfg.model)
    model.segmentor.backbone.pop('init_cfg')
    with torch.device('meta'), NumbersOnTheHost():
        return MODELS.build(model)


def millions(module: nn.Module) -> float:
    return round(sum(each.numel() for each in module.parameters()) / 1e6, 2)


@pytest.mark.parametrize('name', SIZES)
def test_configs_have_the_published_sizes(name):
    model = model_of(name)
    segmentor = model.segmentor
    assert isinstance(segmentor.decode_head, DAFormerHead)
    assert isinstance(segmentor.backbone, ReleasedMixVisionTransformer)
    assert (millions(segmentor.backbone), millions(segmentor.decode_head)) == SIZES[name]
    assert millions(model.teacher.net) == millions(segmentor)
    assert millions(model.objectives['fd']) == SIZES[name][0]
    trained = [each for each in model.parameters() if each.requires_grad]
    assert {id(each) for each in trained} == {id(each) for each in segmentor.parameters()}


def test_scores_of_a_crop_have_a_fourth_of_its_sides():
    segmentor = model_of('daformer_gta2cs').segmentor.eval()
    dense = dense_forward(segmentor, torch.empty(1, 3, 512, 512, device='meta'))
    assert dense.logits['decode'].shape == (1, 19, 128, 128)
    assert [each.shape[-1] for each in dense.feats] == [128, 64, 32, 16]
    assert dense.feats[-1].shape[1] == 512


def test_norms_are_those_of_the_released_network():
    segmentor = model_of('daformer_gta2cs').segmentor
    norms = {type(each) for each in segmentor.modules() if 'Norm' in type(each).__name__}
    assert norms == {nn.LayerNorm, nn.BatchNorm2d}  # not synchronised
    wide = [m for m in segmentor.modules() if isinstance(m, nn.LayerNorm) and m.eps == 1e-5]
    assert len(wide) == 4 + (3 + 6 + 40)  # patch embeddings; blocks that reduce keys
    assert not segmentor.decode_head.align_corners
    assert segmentor.decode_head.dropout.p == 0.1
    assert segmentor.decode_head.loss_decode.avg_non_ignore is False
