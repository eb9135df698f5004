"""Backbones that mmseg lacks."""

from mmseg_da.models.backbones.resnet import CeilPoolResNet

__all__ = ['CeilPoolResNet']
