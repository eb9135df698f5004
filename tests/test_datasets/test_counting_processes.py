"""How many processes count labels."""

import pytest
from label_folders import build, config, random_labels, write_label

from mmseg_da.datasets import class_pixels as module
from mmseg_da.datasets.class_pixels import class_pixels


@pytest.mark.parametrize(('nproc', 'used'), [(1, 1), (3, 3), (16, 4)])
def test_no_more_processes_count_than_are_allowed(tmp_path, monkeypatch, nproc, used):
    for number, ids in enumerate(random_labels(60)):
        write_label(tmp_path, str(number), ids)
    asked = []

    def alone(task, labels, nproc, remedy):
        asked.append(nproc)
        return map(task, labels)

    monkeypatch.setattr(module, 'in_parallel', alone)
    monkeypatch.setattr(module, '_cores', lambda: 4)
    class_pixels(build(config(tmp_path)), nproc=nproc)
    assert asked == [used]
