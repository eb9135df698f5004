"""Plain trainings of a toy PSPNet on the toy domains, in classes of one's choice."""

from collections.abc import Sequence
from pathlib import Path

import torch
from fresh_start import forget_runs
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_da.engine.launch import build_runner
from mmseg_da.testing import toy_adaptor, toy_optim_wrapper, toy_pspnet

CLASSIFIERS = [
    'decode_head.conv_seg.weight',
    'decode_head.conv_seg.bias',
    'auxiliary_head.conv_seg.weight',
    'auxiliary_head.conv_seg.bias',
]
SOURCE_CLASSES = ('road', 'car', 'sky', 'person')
OTHER_CLASSES = ('sky', 'building', 'Road', 'vegetation')  # as many, two of them shared
PREPROCESSOR = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True, size=(96, 192)
)
DOMAINS = dict(type='DomainPreprocessor', source=dict(size=(96, 192)), target=dict(size=(96, 192)))


def pspnet(classes: Sequence[str]) -> dict:
    """Config of a toy PSPNet of as many classes."""
    model = toy_pspnet()
    for head in ('decode_head', 'auxiliary_head'):
        model[head]['num_classes'] = len(classes)
    return model


def plain_config(
    data: Path, work_dir: Path, classes: Sequence[str], iterations: int = 2, **settings: object
) -> Config:
    """The config of a toy PSPNet on the six labelled images of the toy target.

    ``settings`` are options with dots; ``segmentor`` are arguments of the model.
    """
    forget_runs()
    model = pspnet(classes)
    cfg = Config(
        dict(
            default_scope='mmseg',
            runner_type='DomainAdaptationRunner',
            model=model | dict(data_preprocessor=dict(type='SegDataPreProcessor', **PREPROCESSOR)),
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type='LabelledSampler'),
                dataset=dict(type='LabelledDataset', dataset=labelled(data, classes)),
            ),
            optim_wrapper=dict(
                type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9)
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=1000),
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2),
                logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
            ),
            log_processor=dict(by_epoch=False),
            randomness=dict(seed=0),
            work_dir=str(work_dir),
        ),
        format_python_code=False,
    )
    cfg.merge_from_dict(settings)
    return cfg


def labelled(data: Path, classes: Sequence[str]) -> dict:
    """Config of the toy target with its labels."""
    return dict(
        type='CityscapesDataset',
        data_root=str(data / 'toy/cityscapes'),
        data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        metainfo=dict(classes=[name.lower() for name in classes]),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ],
    )


def adaptor_settings(data, classes):
    """What makes the plain training one of an adaptor, in the same classes."""
    source = labelled(data, classes)
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
    target = source | dict(data_prefix=dict(img_path='leftImg8bit/train'), pipeline=pipeline)
    pair = dict(_delete_=True, type='SourceTargetDataset', source=source, target=target)
    adaptor = toy_adaptor(pspnet(classes), dict(seg=dict(type='SourceSupervision')))
    return dict(
        model=adaptor | dict(data_preprocessor=PREPROCESSOR | DOMAINS, _delete_=True),
        train_dataloader=dict(sampler=dict(type='SourceTargetSampler'), dataset=pair),
        optim_wrapper=toy_optim_wrapper(rivals=False) | dict(_delete_=True),
    )


class Snapshot(Hook):
    """Weights and modes of a model at the start of a training, and when asked to, in each step."""

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.weights: dict[str, torch.Tensor] = {}
        self.trainable: list[set[str]] = []
        self.modes: list[dict[str, bool]] = []

    def before_train(self, runner: Runner) -> None:
        self.weights = {key: each.clone() for key, each in runner.model.state_dict().items()}

    def before_train_iter(self, runner: Runner, *_: object, **__: object) -> None:
        named = runner.model.named_parameters()
        self.trainable.append({name for name, each in named if each.requires_grad})
        self.modes.append({name: each.training for name, each in runner.model.named_modules()})


def trained(cfg: Config) -> tuple[Runner, Snapshot]:
    """Train; gives the runner and what the model was like."""
    runner, snapshot = build_runner(cfg), Snapshot()
    runner.register_hook(snapshot)
    runner.train()
    return runner, snapshot
