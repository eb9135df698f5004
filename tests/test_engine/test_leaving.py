"""Modules of ours that go with a segmentor, and where its files go."""

import sys

import pytest
from torch import nn

import mmseg_da.models.backbones
import mmseg_da.models.decode_heads
from mmseg_da.engine.leaving import our_sources
from mmseg_da.errors import UserError
from mmseg_da.registry import MODELS

KINDS = [
    getattr(package, name)
    for package in (mmseg_da.models.backbones, mmseg_da.models.decode_heads)
    for name in package.__all__
]


@pytest.mark.parametrize('kind', KINDS)
def test_each_backbone_and_head_of_ours_can_go(kind, tmp_path, monkeypatch):
    """It fails for one that needs more of the package than its registry and errors."""
    network = nn.Sequential(nn.ReLU(), object.__new__(kind))
    network[1].__dict__.update(nn.Module().__dict__)
    ((name, source),) = our_sources(network, 'my-net').items()
    assert name == f'my_net_{kind.__module__.rpartition(".")[2]}.py'
    (tmp_path / name).write_text(source)
    monkeypatch.setitem(MODELS.module_dict, kind.__name__, kind)
    monkeypatch.syspath_prepend(str(tmp_path))
    copied = getattr(__import__(name[:-3]), kind.__name__)
    assert copied is not kind
    assert MODELS.get(kind.__name__) is copied
    assert copied.__mro__[1:] == kind.__mro__[1:]
    del sys.modules[name[:-3]]


def test_a_class_that_needs_more_of_us_is_refused(monkeypatch):
    from mmseg_da.models.discriminators import PixelDiscriminator

    monkeypatch.setattr(
        'mmseg_da.engine.leaving.inspect.getfile', lambda kind: mmseg_da.models.__file__
    )
    with pytest.raises(UserError, match='PixelDiscriminator in the network needs mmseg_da'):
        our_sources(PixelDiscriminator(in_channels=2), 'x')


def test_a_network_of_mmsegs_classes_needs_no_copies():
    assert our_sources(nn.Sequential(nn.ReLU()), 'x') == {}
