"""What autograd keeps, computed from shapes."""

import copy
from pathlib import Path

import pytest
import stage_memory

from mmseg_da.engine import memory
from mmseg_da.engine.launch import load_config
from mmseg_da.engine.stages import split
from mmseg_da.errors import UserError

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
    (stage,) = stage_memory.trainings(cfg)
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


def whole(name, tmp_path, **options):
    """The only stage of a config without stages."""
    cfg = load_config(str(ROOT / f'configs/{name}.py'), None, str(tmp_path))
    cfg.merge_from_dict(options)
    (stage,) = stage_memory.trainings(cfg)
    return stage


@pytest.mark.parametrize('name', ['small/dacs_toy', 'small/mic_toy'])
def test_shapes_tell_it_of_self_training_too(name, tmp_path):
    stage = whole(name, tmp_path)
    computed = stage_memory.kept_bytes(stage)
    assert computed == stage_memory.kept_bytes(stage, device='cpu')
    assert list(computed)[:2] == ['segmentor (seg)', 'segmentor (mix)']
    assert len(computed) == (3 if 'mic' in name else 2)


def test_each_stage_of_self_training_holds_one_forward_and_the_teacher_none(tmp_path):
    """The backward of a mixture keeps what that of the source does, and weights for its pixels."""
    held = stage_memory.kept_bytes(whole('mic_dacs_gta2cs', tmp_path))
    seg, mix, mask = held.values()
    assert mask == pytest.approx(mix, rel=0.01)
    assert mix / seg == pytest.approx(1, rel=0.01)
    assert seg / stage_memory.GIB == pytest.approx(3.56, rel=0.03)
    summed = whole('mic_dacs_gta2cs', tmp_path, **{'model.backward': 'summed'})
    (all_at_once,) = stage_memory.kept_bytes(summed).values()
    assert all_at_once / seg == pytest.approx(3, rel=0.01)


def test_what_stays_is_counted_by_its_size(tmp_path):
    held = stage_memory.held_bytes(whole('small/dacs_toy', tmp_path))
    trained, gradients, kept, others = held.values()
    model, _ = memory._built(whole('small/dacs_toy', tmp_path), 'cpu')
    assert trained == gradients == 4 * sum(p.numel() for p in model.segmentor.parameters())
    assert kept == 2 * trained  # AdamW
    teacher = 4 * sum(p.numel() for p in model.teacher.parameters())
    statistics = sum(b.numel() * b.element_size() for b in model.buffers())
    assert others == teacher + statistics


def test_the_last_row_is_the_sum_of_the_largest_and_of_what_stays(tmp_path, capsys, monkeypatch):
    path = str(ROOT / 'configs/dacs_gta2cs.py')
    monkeypatch.setattr('sys.argv', ['stage_memory.py', path])
    stage_memory.main()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| training')]
    *others, together = (float(row.split('|')[3]) for row in rows)
    assert together == pytest.approx(max(others[:2]) + sum(others[2:]), abs=0.04)


def test_an_optimizer_that_is_not_known_is_told(tmp_path):
    stage = whole('small/dacs_toy', tmp_path, **{'optim_wrapper.segmentor.optimizer.type': 'LBFGS'})
    with pytest.raises(UserError, match='how much LBFGS keeps is not known'):
        stage_memory.held_bytes(stage)


@pytest.mark.parametrize(
    'name', ['fda_toy', 'fda_mbt_toy', 'fewlabel_toy', 'cbst_toy', 'merged_toy']
)
def test_shapes_tell_it_where_labels_or_images_are_special(name, tmp_path):
    """Translated by frequencies, labelled in part or by an earlier round, in merged classes."""
    cfg = load_config(str(ROOT / f'configs/small/{name}.py'), None, str(tmp_path))
    stages = [each for each in stage_memory.trainings(cfg) if each.kind == 'train']
    for stage in (stages[0], stages[-1]):
        computed = stage_memory.kept_bytes(stage)
        assert computed == stage_memory.kept_bytes(stage, device='cpu')
        assert min(computed.values()) > 0


def test_a_plain_segmentor_is_told_from_shapes_too(tmp_path):
    stage = whole('small/source_only_toy', tmp_path)
    plain = copy.deepcopy(stage.cfg)
    plain.model = plain.model.segmentor | dict(
        data_preprocessor=dict(type='SegDataPreProcessor', size=(96, 192))
    )
    plain.optim_wrapper = stage.cfg.optim_wrapper.segmentor
    plain = stage_memory.trainings(plain)[0]
    assert stage_memory.kept_bytes(plain) == stage_memory.kept_bytes(stage)
    model, _ = memory._built(plain, 'cpu')
    batch = memory._batch({'source': (96, 192)}, 4, 'cpu')['source']
    with memory.saved_bytes(model.segmentor) as saved:
        losses = model.segmentor.loss(**batch)
    own = sum(each.untyped_storage().nbytes() for each in saved)
    assert stage_memory.kept_bytes(plain)['segmentor (seg)'] == pytest.approx(own, rel=0.03)
    del losses
    held, as_ours = (list(stage_memory.held_bytes(each).values()) for each in (plain, stage))
    assert held[:3] == as_ours[:3]
    plain.cfg.model.data_preprocessor.pop('size')
    with pytest.raises(UserError, match=r'model\.data_preprocessor has no `size` .* the source'):
        stage_memory.kept_bytes(plain)
