"""What autograd keeps, computed from shapes."""

from pathlib import Path

import pytest
import stage_memory

from mmseg_da.engine.launch import load_config
from mmseg_da.engine.stages import split

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def stages(tmp_path_factory):
    cfg = load_config(
        str(ROOT / 'configs/small/cycada_toy.py'), None, str(tmp_path_factory.mktemp('run'))
    )
    return {stage.name: stage for stage in split(cfg)}


@pytest.mark.parametrize('stage', ['segment', 'translate', 'align'])
def test_shapes_alone_tell_what_real_tensors_take(stages, stage):
    computed = stage_memory.kept_bytes(stages[stage])
    assert computed == stage_memory.kept_bytes(stages[stage], device='cpu')
    assert min(computed.values()) > 0


def test_phases_are_told_apart(stages):
    translate = stage_memory.kept_bytes(stages['translate'])
    assert list(translate) == [
        'generators (source)', 'generators (target)', 'generators (identity)',
        'discriminators (discriminators)',
    ]  # fmt: skip
    # Each of the first two has two generators, as the third, and a discriminator and a segmentor.
    assert translate['generators (source)'] == translate['generators (target)']
    assert translate['generators (source)'] > translate['generators (identity)']
    assert list(stage_memory.kept_bytes(stages['align'])) == [
        'discriminators (align)', 'align (align)', 'seg (seg)',
    ]  # fmt: skip


def test_self_training_of_a_transformer_is_told_from_shapes():
    cfg = load_config(str(ROOT / 'configs/mic_daformer_gta2cs.py'), None, None)
    for part in (cfg.model.data_preprocessor.source, cfg.model.data_preprocessor.target):
        part.size = (64, 96)
    for name in ('mix', 'mask'):
        cfg.model.objectives[name].update(ignore_top=0, ignore_bottom=0)
    cfg.model.segmentor.backbone.update(embed_dims=8, num_layers=[1, 2, 1, 1])
    cfg.model.segmentor.decode_head.update(in_channels=[8, 16, 40, 64], channels=8)
    (stage,) = stage_memory.stages_of(cfg)
    computed = stage_memory.kept_bytes(stage)
    assert computed == stage_memory.kept_bytes(stage, device='cpu')
    assert list(computed) == ['segmentor (seg, fd)', 'segmentor (mix)', 'segmentor (mask)']
    assert max(computed.values()) < 1.05 * min(computed.values())


def test_full_size_is_what_others_measured():
    """Measured on smaller images and scaled by their area: 6.4 GiB of DeepLabV2 with two heads at
    720x1280, 0.83 GiB of a generator of nine blocks at 400x400, of which identity needs two."""
    cfg = load_config(str(ROOT / 'configs/cycada_gta2cs.py'), None, None)
    stages = {stage.name: stage for stage in split(cfg)}
    source = stage_memory.kept_bytes(stages['source'])['segmentor (seg)']
    identity = stage_memory.kept_bytes(stages['translate'])['generators (identity)']
    assert source / stage_memory.GIB == pytest.approx(6.4, rel=0.03)
    assert identity / stage_memory.GIB == pytest.approx(2 * 0.83, rel=0.03)
