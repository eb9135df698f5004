"""Settings are judged by themselves; the tools are run on them in test_tools/test_bad_input_configs.py."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmseg_da.engine.plain_config import plain_config
from mmseg_da.engine.settings import check_settings, saves_last_iteration, setting_problems
from mmseg_da.errors import UserError

ROOT = Path(__file__).resolve().parents[2] / 'configs'
CONFIGS = sorted(path for path in ROOT.rglob('*.py') if '_base_' not in path.parts)
MODEL = dict(type='EncoderDecoder')


@pytest.mark.parametrize(
    'settings',
    [
        {},
        dict(train_dataloader=None, optim_wrapper=None, train_cfg=None),
        dict(train_dataloader=dict(batch_size=1, num_workers=0, dataset=dict(type='X'))),
        dict(train_cfg=dict(by_epoch=True, max_epochs=3)),
        dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1), clip_grad=None)),
        dict(optim_wrapper=dict(clip_grad=dict(max_norm=1.0, norm_type=2))),
        dict(optim_wrapper=dict(clip_grad=dict(type='value', clip_value=1.0))),
        dict(val_evaluator=[dict(type='IoUMetric', iou_metrics=['mIoU', 'mDice'])]),
        dict(val_evaluator=dict(type='IoUMetric', iou_metrics='mIoU')),
        dict(default_hooks=None),
        dict(param_scheduler=None),
        dict(param_scheduler=dict(type='PolyLR')),
        dict(param_scheduler=[dict(type='LinearLR'), dict(type='PolyLR')]),
        dict(param_scheduler=dict(segmentor=[dict(type='PolyLR')], discriminators=dict(type='X'))),
        dict(default_hooks=dict(checkpoint=None)),
        dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=-1))),
        dict(default_hooks=dict(checkpoint=dict(interval=1, save_last=False))),
        dict(model=MODEL | dict(data_preprocessor=None)),
        dict(model=MODEL | dict(objectives=dict(a=dict(type='X', loss_weight=0), b=None))),
        dict(
            model=MODEL
            | dict(
                data_preprocessor=dict(size=(8, 8), source=dict(size_divisor=4), mean=[1], std=[1])
            )
        ),
    ],
)
def test_what_mmengine_takes_passes(settings):
    check_settings(Config(dict(model=MODEL) | settings))


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        (dict(train_cfg=dict(max_iters=True)), r'train_cfg\.max_iters is True'),
        (dict(train_cfg=dict(max_epochs=0)), r'train_cfg\.max_epochs is 0'),
        (dict(train_cfg=3), 'train_cfg is 3, but has to be a dict'),
        (dict(default_hooks=dict(checkpoint=3)), r'default_hooks\.checkpoint is 3, .* a dict'),
        (
            dict(default_hooks=dict(checkpoint=dict(max_keep_ckpts=None))),
            r'checkpoint\.max_keep_ckpts is None, but has to be an integer, or -1 to keep all',
        ),
        *(
            (
                dict(model=MODEL | dict(data_preprocessor=dict(target=dict(size=size)))),
                r'data_preprocessor\.target\.size is .* a pair of integers, \(height, width\)',
            )
            for size in (3, 'ab', (8,), (8, 0))
        ),
        (dict(default_hooks=3), 'default_hooks is 3, but has to be a dict'),
        (dict(param_scheduler=3), 'param_scheduler is 3, but has to be a list of dicts'),
        (
            dict(param_scheduler=['PolyLR']),
            r"param_scheduler is \['PolyLR'\], but has to be a list",
        ),
        (dict(param_scheduler=dict(end=5)), "param_scheduler is {'end': 5}, but has to be a list"),
        (dict(test_dataloader=dict(batch_size=1.5)), r'test_dataloader\.batch_size is 1\.5'),
        (
            dict(optim_wrapper=dict(part=dict(clip_grad=dict(type='value', max_norm=1)))),
            r'optim_wrapper\.part\.clip_grad\.max_norm is 1, .* clipping by value takes',
        ),
        (
            dict(model=MODEL | dict(data_preprocessor=dict(mean=[1, 2], std=[1]))),
            r'model\.data_preprocessor\.mean is \[1, 2\]',
        ),
        (
            dict(model=MODEL | dict(data_preprocessor=dict(target=dict(size=4, size_divisor=2)))),
            r'model\.data_preprocessor\.target\.size_divisor is 2',
        ),
        *(
            (
                dict(default_hooks=dict(checkpoint=dict(interval=interval))),
                rf'default_hooks\.checkpoint\.interval is {interval}, .* or -1 to save after the last',
            )
            for interval in (0, -2, None, 1.5, True)
        ),
        (
            dict(default_hooks=dict(checkpoint=dict(interval=-1, save_last=False))),
            r'checkpoint\.save_last is False, .* set default_hooks\.checkpoint=None',
        ),
        (dict(test_evaluator=dict(iou_metrics=3)), r'test_evaluator\.iou_metrics is 3'),
    ],
)
def test_what_fails_later_is_told(settings, said):
    with pytest.raises(UserError, match=said):
        check_settings(Config(dict(model=MODEL) | settings))


def test_every_problem_is_listed():
    wrong = dict(train_cfg=3, optim_wrapper='x', param_scheduler=3, default_hooks=dict())
    wrong['val_dataloader'] = dict(batch_size=0, dataset=7)
    found = list(setting_problems(Config(dict(model=MODEL | dict(objectives=dict(a=3))) | wrong)))
    keys = [text.removeprefix('None: ').split(' is ')[0] for text in found]
    assert keys == [
        'val_dataloader.dataset', 'optim_wrapper', 'train_cfg', 'param_scheduler',
        'val_dataloader.batch_size', 'model.objectives.a',
    ]  # fmt: skip
    assert list(setting_problems(Config(dict(model=None)))) == ['None: `model` is missing']
    assert list(setting_problems(Config(dict(model=MODEL)))) == []


@pytest.mark.parametrize(
    ('hooks', 'saves'),
    [
        ({}, True),
        (dict(default_hooks=dict(checkpoint=dict(interval=-1))), True),
        (dict(default_hooks=dict(checkpoint=dict(interval=5, save_last=False))), True),
        (dict(default_hooks=dict(checkpoint=dict(interval=4, save_last=False))), False),
        (dict(default_hooks=dict(checkpoint=dict(save_last=False))), False),
        (dict(default_hooks=dict(checkpoint=None)), False),
        (dict(default_hooks=dict(checkpoint=None), custom_hooks=[dict(type='EMAHook')]), False),
        (
            dict(
                default_hooks=dict(checkpoint=None),
                custom_hooks=[dict(type='mmengine.CheckpointHook', by_epoch=False)],
            ),
            True,
        ),
    ],
)
def test_a_training_may_end_without_a_checkpoint(hooks, saves):
    assert saves_last_iteration(Config(dict(train_cfg=dict(max_iters=10)) | hooks)) is saves


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_config_passes_and_what_adapts_can_leave(path):
    cfg = Config.fromfile(path)
    check_settings(cfg)
    if 'segmentor' in cfg.model:
        plain, notes = plain_config(cfg)
        kept = ('EncoderDecoder', 'HRDAEncoderDecoder')  # the second needs us wherever it is used
        assert plain['model']['type'] in kept
        assert plain['test_pipeline'] == cfg.test_pipeline
        ours = ('CrossCityDataset', 'MergedClasses', 'ACDCDataset')  # which mmseg cannot read
        assert not [note for note in notes if not any(name in note for name in ours)]
