"""Backbones that mmseg lacks."""

from mmseg_da.models.backbones.dinov2 import DINOv2
from mmseg_da.models.backbones.drn import DRN
from mmseg_da.models.backbones.mit import ReleasedMixVisionTransformer
from mmseg_da.models.backbones.resnet import CeilPoolResNet
from mmseg_da.models.backbones.vgg_fcn import FCNVGG16

__all__ = ['DRN', 'FCNVGG16', 'CeilPoolResNet', 'DINOv2', 'ReleasedMixVisionTransformer']
