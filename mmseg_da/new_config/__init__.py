"""Configs for data of one's own, written from folders and a list of classes."""

from mmseg_da.new_config.class_names import class_names
from mmseg_da.new_config.folders import Folder, look_at
from mmseg_da.new_config.writing import METHODS, Choices, write_config

__all__ = ['METHODS', 'Choices', 'Folder', 'class_names', 'look_at', 'write_config']
