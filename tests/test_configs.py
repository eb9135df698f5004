"""Every config loads, builds on the CPU with narrower networks, and trains, stage by stage."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from config_data import batch, classes_of, domains_of, leaves, names_of
from mmengine.config import Config, ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import TRANSFORMS
from mmseg.structures import SegDataSample

from mmseg_da.engine.fitting import check_predicts
from mmseg_da.engine.launch import load_config
from mmseg_da.engine.stage_kinds import TRAIN
from mmseg_da.engine.stages import TrainingStage, is_reference, resolve, split
from mmseg_da.models import CycleTranslator, DomainAdaptor
from mmseg_da.registry import (
    DATA_SAMPLERS,
    HOOKS,
    METRICS,
    MODEL_WRAPPERS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    RUNNERS,
)

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
LEAVES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
WIDTH = 4  # base channels of a shrunken ResNet; the real ones have 64
SIZE = (64, 96)
NARROW = dict(
    PixelDiscriminator=dict(channels=4),
    PatchDiscriminator=dict(channels=4, layers=1),
    PointwiseDiscriminator=dict(channels=(8, 4)),
    ResnetGenerator=dict(channels=4, blocks=1),
    FeatureAlignment=dict(gate=0.0),  # or the segmentor might not train
    **dict(DRN=dict(base_channels=2), FCNVGG16=dict(base_channels=2, fc_channels=8)),
    ReleasedMixVisionTransformer=dict(embed_dims=WIDTH, num_layers=[1, 1, 1, 1]),
    DINOv2=dict(embed_dims=8, num_layers=1, num_heads=2),
    HRDAEncoderDecoder=dict(detail_crop=0.5),
    MaskedConsistency=dict(block=16),  # or all of a small image may be masked
)
HEADS = dict(  # of these backbones
    DRN=dict(in_channels=64, channels=64),
    DINOv2=dict(in_channels=8),
    FCNVGG16=dict(in_channels=(3, 8, 16, 8)),
    ReleasedMixVisionTransformer=dict(in_channels=[4, 8, 20, 32], channels=8),
)

pytestmark = pytest.mark.stack


def _name(path):
    return str(path.relative_to(CONFIGS).with_suffix(''))


each_config = pytest.mark.parametrize('path', LEAVES, ids=_name)


def read(path, data=None, monkeypatch=None):
    if monkeypatch is not None:
        monkeypatch.delenv('MMSEG_DA_DATA', raising=False)
        if data:
            monkeypatch.setenv('MMSEG_DA_DATA', data)
    return load_config(str(path), None, None)


def walk(value, path=''):
    """Every dict inside of a config, by its path."""
    if isinstance(value, dict):
        yield path, value
        for key, each in value.items():
            yield from walk(each, f'{path}.{key}')
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from walk(each, f'{path}.{number}')


def narrowed(channels):
    if isinstance(channels, list | tuple):
        return [narrowed(each) for each in channels]
    return channels * WIDTH // 64


def shrink(model):
    """A config of the same structure with narrow ResNets, BN, small images and no downloads."""
    model = ConfigDict(model)
    for _, part in walk(model):
        for key in ('init_cfg', 'size', 'size_divisor'):
            part.pop(key, None)
        if str(part.get('checkpoint', '')).startswith('work_dirs/'):
            part['checkpoint'] = None  # of another training
        if part.get('type') == 'SyncBN':
            part['type'] = 'BN'
        part.update(NARROW.get(part.get('type'), {}))
    model.data_preprocessor.size = SIZE
    for _, part in walk(model):
        if 'backbone' in part:
            shrink_segmentor(part)
    return model


def shrink_segmentor(segmentor):
    backbone = segmentor.backbone
    segmentor.decode_head.update(HEADS.get(backbone.type, {}))
    if 'ResNet' in backbone.type and backbone.get('base_channels', 64) == 64:
        backbone.update(base_channels=WIDTH, stem_channels=WIDTH, depth=50)
        heads = (segmentor.get(f'{name}_head') for name in ('decode', 'auxiliary'))
        for head in (*heads, segmentor.get('scale_attention')):
            if head is not None and 'in_channels' in head:
                head.in_channels = narrowed(head.in_channels)
                head.channels = 8


def trainings(path):
    """The stages of a config; one that has none is a stage itself."""
    cfg = read(path)
    return split(cfg) if 'stages' in cfg else [TrainingStage('all', cfg)]


def build_wrappers(cfg, model) -> OptimWrapper:
    settings = cfg.to_dict()
    constructor = settings.pop('constructor', 'DefaultOptimWrapperConstructor')
    paramwise = settings.pop('paramwise_cfg', None)
    return OPTIM_WRAPPER_CONSTRUCTORS.build(
        dict(type=constructor, optim_wrapper_cfg=settings, paramwise_cfg=paramwise)
    )(model)


def test_there_are_configs():
    some = {'adaptsegnet_gta2cs', 'small/adaptsegnet_toy', 'pspnet_finetune_voc'}
    assert some <= set(map(_name, LEAVES))


def build(cfg):
    """The model of a training, with the weights that it starts from."""
    init_default_scope(cfg.default_scope)
    model = MODELS.build(shrink(cfg.model))
    assert isinstance(model, DomainAdaptor | CycleTranslator | EncoderDecoder)
    model.init_weights()
    if cfg.load_from is not None and not cfg.load_from.startswith('work_dirs/'):
        check_predicts(model, load_checkpoint(model, cfg.load_from, 'cpu'), cfg.load_from)
    return model.train()


def without_start(cfg):
    """The config of a stage that is not trained here, without what it would need of others."""
    for _, part in walk(cfg._cfg_dict):
        part.update({key: None for key, value in part.items() if is_reference(value)})
    return cfg


@each_config
def test_every_stage_trains_every_part_and_hands_over(path, tmp_path):
    stages = trainings(path)
    for number, stage in enumerate(stages):
        if stage.kind != TRAIN:  # test_rounds.py and others run them: here nothing is trained
            stages[number] = dataclasses.replace(stage, given=str(tmp_path))
            continue
        if stage.given is None:
            cfg = resolve(stage, stages)
            model = build(cfg)
            train_twice(model, cfg)
        else:  # a checkpoint that the user has to give
            model = build(without_start(stage.cfg))
        file = str(tmp_path / f'{stage.name}.pth')
        torch.save(dict(state_dict=model.state_dict()), file)
        stages[number] = dataclasses.replace(stage, given=file)


def name_classes(model, names):
    """What the runner does before a training."""
    if hasattr(model, 'name_classes'):
        model.name_classes(names)


def train_twice(model, cfg):
    wrappers = build_wrappers(cfg.optim_wrapper, model)
    plain = isinstance(model, EncoderDecoder)
    *sources, last = domains_of(cfg.train_dataloader.dataset)
    name_classes(model, names_of(last))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for _ in range(2):
        data = batch(classes_of(last), SIZE, cfg.train_dataloader.batch_size, len(sources) or 1)
        logs = model.train_step(data['source'] if plain else data, wrappers)
        assert all(math.isfinite(value) for value in logs.values())
        expected = ['loss'] if plain else [f'{phase.name}.loss' for phase in model.phases()]
        assert set(expected) <= set(logs)
    parts = dict(segmentor=model) if plain else model.parts()
    for name, part in parts.items():
        ids = {id(parameter) for parameter in part.parameters()}
        ours = {key: value for key, value in model.named_parameters() if id(value) in ids}
        assert any(not torch.equal(before[key], value) for key, value in ours.items()), name


@each_config
def test_it_predicts_as_a_segmentor(path):
    cfg = read(path)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(shrink(cfg.model)).eval()
    samples = [SegDataSample(metainfo=dict(img_shape=SIZE, ori_shape=SIZE))]
    with torch.no_grad():
        data = dict(inputs=[torch.zeros(3, *SIZE, dtype=torch.uint8)], data_samples=samples)
        (result,) = model.test_step(data)
    assert result.pred_sem_seg.data.shape == (1, *SIZE)
    assert result.seg_logits.data.shape[0] == model.num_classes


@each_config
def test_every_type_it_names_is_registered(path):
    cfg = read(path)
    init_default_scope(cfg.default_scope)
    assert RUNNERS.get(cfg.runner_type)
    assert MODEL_WRAPPERS.get(cfg.model_wrapper_cfg.type)
    assert MODELS.get(cfg.tta_model.type)
    assert DATA_SAMPLERS.get(cfg.train_dataloader.sampler.type)
    for hook in (*cfg.default_hooks.values(), *cfg.get('custom_hooks', [])):
        assert hook is None or HOOKS.get(hook.type), hook
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert isinstance(evaluator, dict)  # mmseg's tools/test.py --out sets a key of it
        assert METRICS.get(evaluator.type), evaluator
    pipelines = [
        part['pipeline']
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
        for _, part in walk(loader)
        if 'pipeline' in part
    ]
    assert len(pipelines) >= 2 + min(2, len(domains_of(cfg.train_dataloader.dataset)))
    for pipeline in (*pipelines, cfg.tta_pipeline):
        assert all(TRANSFORMS.get(transform.type) for transform in pipeline)


@each_config
def test_data_lies_where_the_environment_says(path, monkeypatch):
    for data, expected in ((None, 'data/'), ('/elsewhere', '/elsewhere/')):
        cfg = read(path, data, monkeypatch)
        roots = [part['data_root'] for _, part in walk(cfg.to_dict()) if 'data_root' in part]
        assert len(roots) >= 3
        assert all(root.startswith(expected) for root in roots), roots


@each_config
def test_target_labels_are_out_of_reach_in_training(path):
    for stage in trainings(path):
        *sources, last = domains_of(stage.cfg.train_dataloader.dataset)
        for each in leaves(last) if sources else []:
            assert 'seg_map_path' not in each.data_prefix
            assert 'LoadAnnotations' not in [transform.type for transform in each.pipeline]
        for each in (leaf for part in sources or [last] for leaf in leaves(part)):
            assert 'LoadAnnotations' in [transform.type for transform in each.pipeline]


@each_config
def test_it_keeps_to_mmsegs_conventions(path):
    cfg = read(path)
    assert cfg.default_scope == 'mmseg'
    assert cfg.custom_imports.imports == ['mmseg_da']
    assert cfg.log_processor.by_epoch is False
    assert cfg.default_hooks.checkpoint.by_epoch is False
    assert cfg.default_hooks.visualization.type == 'SegVisualizationHook'
    for stage in trainings(path):
        assert stage.cfg.auto_scale_lr.base_batch_size == stage.cfg.train_dataloader.batch_size
    assert cfg.optim_wrapper.type == 'OptimWrapper'  # what mmseg's --amp looks at
    assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0
    assert cfg.train_cfg.max_iters % cfg.default_hooks.checkpoint.interval == 0


@each_config
def test_classes_of_heads_and_data_agree(path):
    cfg = read(path)
    parts = (*domains_of(cfg.train_dataloader.dataset), cfg.val_dataloader.dataset)
    classes = {classes_of(part) for part in parts}
    for model in (cfg.model, *(stage.cfg.model for stage in trainings(path))):
        heads = {part['num_classes'] for _, part in walk(model) if 'num_classes' in part}
        assert heads in (classes, set())


def test_every_base_loads_alone():
    for path in sorted((CONFIGS / '_base_').rglob('*.py')):
        assert Config.fromfile(path).to_dict()


def test_the_documented_config_of_translated_images_needs_no_translator(tmp_path):
    page = (CONFIGS.parent / 'docs/methods/cycada.md').read_text()
    (block,) = [part for part in page.split('```python')[1:] if 'gta_as_cs' in part]
    file = tmp_path / 'from_disk_gta2cs.py'
    file.write_text(block.split('```')[0].replace("'./cyc", f"'{CONFIGS}/cyc"))
    source, *others = split(load_config(str(file), None, str(tmp_path)))
    assert source.given is not None
    assert [stage.name for stage in others] == ['segment', 'align']
    for stage in others:
        assert stage.cfg.model.translator is None
        assert stage.cfg.train_dataloader.dataset.source.data_root == 'data/gta_as_cs'
        assert stage.cfg.train_dataloader.dataset.target.data_root.endswith('cityscapes')
