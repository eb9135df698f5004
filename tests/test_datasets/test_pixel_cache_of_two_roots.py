"""Two data sets whose folders cannot be written keep their counts apart."""

import os

import numpy as np
from label_folders import build, config, write_label

from mmseg_da.datasets.pixel_cache import PixelCache


def test_roots_of_one_layout_that_cannot_be_written_have_files_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'own'))
    monkeypatch.setattr('os.access', lambda *_: False)
    files = set()
    for name in ('one', 'other'):
        label = write_label(tmp_path / name, 'a', np.zeros((4, 4)))
        os.utime(label, (1, 1))  # as file systems have it that normalise times
        files.add(PixelCache.of(build(config(tmp_path / name)), 'labels').path)
    assert len(files) == 2
