"""What an adaptor loads: its own checkpoints, and those of the plain segmentor."""

import copy

import pytest
import torch
from builders import adaptsegnet, build_adaptor, snapshot, state_gap
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import load_state_dict

from mmseg_da.testing import toy_segformer


@pytest.fixture
def adaptor():
    return build_adaptor(adaptsegnet(), seed=0)


@pytest.fixture
def plain():
    """A segmentor of other weights, and statistics that differ from the initial ones."""
    segmentor = build_adaptor(adaptsegnet(), seed=1).segmentor
    segmentor.extract_feat(torch.rand(2, 3, 64, 64))
    return segmentor


def test_torch_loads_a_plain_segmentor(adaptor, plain):
    rivals = snapshot(adaptor.objectives)
    result = adaptor.load_state_dict(plain.state_dict(), strict=False)
    assert result.unexpected_keys == []
    assert all(key.startswith('objectives.') for key in result.missing_keys)
    assert state_gap(adaptor.segmentor, plain) == 0.0
    assert state_gap(adaptor.objectives, rivals) == 0.0


@pytest.mark.stack
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_load_from_takes_a_plain_segmentor(adaptor, plain, tmp_path, prefix, caplog):
    state = {prefix + key: value for key, value in plain.state_dict().items()}
    torch.save(dict(state_dict=state, meta={}), tmp_path / 'plain.pth')
    load_checkpoint(adaptor, str(tmp_path / 'plain.pth'), map_location='cpu')
    assert state_gap(adaptor.segmentor, plain) == 0.0


@pytest.mark.stack
def test_an_adaptors_checkpoint_loads_whole(adaptor, tmp_path):
    other = build_adaptor(adaptsegnet(), seed=1)
    assert state_gap(adaptor, other) > 1e-3
    torch.save(dict(state_dict=other.state_dict(), meta={}), tmp_path / 'adaptor.pth')
    load_checkpoint(adaptor, str(tmp_path / 'adaptor.pth'), map_location='cpu', strict=True)
    assert state_gap(adaptor, other) == 0.0


def test_loading_does_not_change_what_is_loaded(adaptor, plain):
    state = plain.state_dict()
    keys = list(state)
    adaptor.load_state_dict(state, strict=False)
    assert list(state) == keys
    load_state_dict(adaptor, state, strict=False)
    assert list(state) == keys


def test_a_strict_load_of_a_plain_segmentor_names_the_rivals(adaptor, plain):
    with pytest.raises(RuntimeError, match=r'Missing key\(s\).*objectives\.adv_aux'):
        adaptor.load_state_dict(plain.state_dict(), strict=True)


def test_a_segmentor_with_several_auxiliary_heads_or_a_neck_is_taken(adaptor):
    from test_domain_adaptor import several_auxiliary_heads

    objectives = {k: v for k, v in adaptsegnet().items() if k != 'adv_aux'}
    segmentor = several_auxiliary_heads()
    segmentor['neck'] = dict(type='FPN', in_channels=[4, 8, 16, 32], out_channels=8, num_outs=4)
    for head in (segmentor['decode_head'], *segmentor['auxiliary_head']):
        head['in_channels'] = 8
    ours, theirs = (build_adaptor(objectives, segmentor, seed=seed) for seed in (0, 1))
    result = ours.load_state_dict(theirs.segmentor.state_dict(), strict=False)
    assert result.unexpected_keys == []
    assert state_gap(ours.segmentor, theirs.segmentor) == 0.0


def test_a_copy_loads_into_itself(adaptor, plain):
    """Averaged models are deep copies."""
    before = snapshot(adaptor)
    twin = copy.deepcopy(adaptor)
    twin.load_state_dict(plain.state_dict(), strict=False)
    assert state_gap(twin.segmentor, plain) == 0.0
    assert state_gap(adaptor, before) == 0.0


def test_a_foreign_segmentor_is_not_taken_for_ones_own(adaptor):
    other = build_adaptor(
        {k: v for k, v in adaptsegnet().items() if k != 'adv_aux'}, toy_segformer()
    )
    result = adaptor.load_state_dict(
        {k: v for k, v in other.segmentor.state_dict().items() if k.startswith('backbone')},
        strict=False,
    )
    assert result.unexpected_keys
    assert all(key.startswith('segmentor.backbone') for key in result.unexpected_keys)
