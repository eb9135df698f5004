"""What the doctor says of settings, on configs alone."""

import re

import pytest
from mmengine.config import Config

from mmseg_da.doctor.machine import _disk
from mmseg_da.doctor.plan import _schedules, _weights, wrong_settings
from mmseg_da.engine.stages import TrainingStage
from mmseg_da.testing import toy_segformer

WARM_UP = dict(type='LinearLR', start_factor=1e-6, end=100, by_epoch=False)
POLY = dict(type='PolyLR', begin=0, by_epoch=False)


def stage(**settings):
    usual = dict(
        model=toy_segformer(),
        train_cfg=dict(max_iters=500),
        train_dataloader=dict(dataset=dict(type='SourceTargetDataset')),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
    )
    return TrainingStage('training', Config(usual | settings, filename=__file__))


@pytest.mark.parametrize(
    ('schedule', 'said'),
    [
        (None, None),
        ([WARM_UP], None),
        ([dict(type='ConstantLR', factor=0.3, end=50, by_epoch=False)], None),
        ([WARM_UP, POLY], None),
        ([WARM_UP, POLY | dict(end=501)], None),
        (dict(type='LinearDecayLR', constant=1, decay=1, epoch_iters=250), None),
        (dict(type='PolyLR', end=2, convert_to_iter_based=True), None),
        ([WARM_UP, POLY | dict(end=300)], 'stop falling .* set `end` of PolyLR in .* to 501'),
        ([WARM_UP, POLY | dict(end=900)], 'have not fallen when it ends: set `end` of PolyLR'),
        ([dict(WARM_UP, start_factor=1, end_factor=0)], 'set `end` of LinearLR in .* to 501'),
        (dict(segmentor=POLY | dict(end=9)), 'learning rates of segmentor end at iteration 9,'),
        (dict(type='PolyLR', end=501), 'PolyLR in param_scheduler counts epochs, .* by_epoch=False'),
    ],
)  # fmt: skip
def test_rates_fall_as_long_as_the_training_goes(schedule, said):
    found = list(_schedules(stage(param_scheduler=schedule)))
    if said is None:
        assert found == []
        return
    (finding,) = found
    assert finding.level == 'warning'
    assert re.search(said, finding.text)


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        (dict(train_dataloader=None), [': train_dataloader is missing: a training needs it']),
        (
            dict(train_dataloader=dict(batch_size=1)),
            [': train_dataloader.dataset is missing: a training needs it'],
        ),
        (dict(optim_wrapper=None), [': optim_wrapper is missing: a training needs it']),
        (
            dict(optim_wrapper='x', train_cfg=3),
            [
                ": optim_wrapper is 'x', but has to be a dict",
                ': train_cfg is 3, but has to be a dict',
            ],
        ),
        ({}, []),
    ],
)
def test_wrong_settings_are_all_told(settings, said):
    found = wrong_settings(stage(**settings))
    assert [each.text for each in found] == [f'{__file__}{text}' for text in said]


def test_a_stage_that_does_not_run_needs_no_data():
    given = TrainingStage('source', stage(train_dataloader=None).cfg, given='a.pth')
    assert wrong_settings(given) == []


WEIGHTS = {'weights that are trained': 1.0, 'backward of seg': 9.0}


@pytest.mark.parametrize(
    ('hook', 'said'),
    [
        (dict(max_keep_ckpts=3), 'up to 1.0 GiB, together about 5.0 GiB'),
        (dict(interval=100, by_epoch=False), 'together about 6.0 GiB'),
        (dict(interval=-1, by_epoch=False), 'together about 1.0 GiB'),
        (dict(interval=100, by_epoch=True), 'together about 10.0 GiB'),
    ],
)
def test_the_room_for_checkpoints(hook, said):
    trained = stage(default_hooks=dict(checkpoint=hook))
    assert said in _disk([trained], dict(training=WEIGHTS)).text


def test_unknown_memory_gives_no_size_of_checkpoints():
    text = _disk([stage()], {}).text
    assert 'how large checkpoints are is not known' in text
    assert 'MiB' not in text
    assert '0 GiB,' not in text


def test_files_to_start_from_are_looked_for(tmp_path):
    there = tmp_path / 'there.pth'
    there.touch()

    def model(file, **own):
        backbone = dict(init_cfg=dict(type='Pretrained', checkpoint=str(file)))
        return dict(segmentor=dict(backbone=backbone, **own))

    def said(**settings):
        return [each.text.split(': ', 1)[1] for each in _weights(stage(**settings).cfg)]

    assert said(model=model(there), load_from='stage:first') == []
    assert said(model=model('torchvision://resnet18', pretrained='open-mmlab://a')) == []
    assert said(model=model('gone.pth', pretrained='lost.pth'), load_from='away.pth') == [
        'load_from: there is no file away.pth: correct the path',
        'pretrained: there is no file lost.pth: correct the path',
        'init_cfg.checkpoint: there is no file gone.pth: correct the path',
    ]
