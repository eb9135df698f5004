"""Flags of the tools that test: mmseg's, but for the checkpoint."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmseg_da.datasets.outputs import require_writable
from mmseg_da.errors import UserError


def add_test_flags(parser: ArgumentParser) -> None:
    """Add where results go, what is drawn, and augmentation at test time."""
    parser.add_argument('--work-dir', help='the dir to save the evaluation results as json')
    parser.add_argument('--out', help='the dir to save predictions for offline evaluation')
    parser.add_argument('--show', action='store_true', help='show prediction results')
    parser.add_argument('--show-dir', help='the dir to save painted images')
    parser.add_argument('--wait-time', type=float, default=2, help='the interval of --show (s)')
    parser.add_argument('--tta', action='store_true', help='test time augmentation')


def require_files(args: Namespace, checkpoints: Iterable[str]) -> None:
    """See that what is read is there and what is written can be.

    Raises:
        UserError: It is not; names the flag or the file.
    """
    for flag, folder in (('--out', args.out), ('--show-dir', args.show_dir)):
        if folder is not None:
            require_writable(folder, flag)
    for checkpoint in checkpoints:
        if not Path(checkpoint).is_file() and '://' not in checkpoint:
            raise UserError(f'{checkpoint}: no such checkpoint file')


def apply_test_flags(cfg: Config, args: Namespace) -> None:
    """Change a config as the flags say; its model has to be in place.

    Raises:
        UserError: The config lacks what a flag needs; names both.
    """
    if args.show or args.show_dir:
        _draw_predictions(cfg, args)
    if args.tta:
        _augment_at_test_time(cfg, args)
    if args.out is not None:
        if not isinstance(cfg.get('test_evaluator'), dict):
            raise UserError(f'{args.config}: --out needs `test_evaluator` to be one dict')
        cfg.test_evaluator.output_dir = args.out
        cfg.test_evaluator.keep_results = True


def _draw_predictions(cfg: Config, args: Namespace) -> None:
    """Switch on the visualization hook that every config of ours has."""
    hook = (cfg.get('default_hooks') or {}).get('visualization')
    if hook is None:
        raise UserError(
            f'{args.config}: --show and --show-dir need '
            "default_hooks.visualization=dict(type='SegVisualizationHook')"
        )
    if not cfg.get('visualizer'):
        raise UserError(
            f'{args.config}: --show and --show-dir need '
            "visualizer=dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])"
        )
    hook.draw = True
    if args.show:
        hook.show, hook.wait_time = True, args.wait_time
    if args.show_dir:
        cfg.visualizer.save_dir = args.show_dir


def _augment_at_test_time(cfg: Config, args: Namespace) -> None:
    """Put the config's `tta_pipeline` and `tta_model` in place, the first in every dataset."""
    for key in ('tta_pipeline', 'tta_model', 'test_dataloader'):
        if key not in cfg:
            raise UserError(f'{args.config}: --tta needs `{key}`')
    _set_pipeline(cfg.test_dataloader.dataset, cfg.tta_pipeline)
    cfg.tta_model.module = cfg.model
    cfg.model = cfg.tta_model


def _set_pipeline(dataset: ConfigDict, pipeline: list) -> None:
    """Set the pipeline of a dataset, or of all those that it joins."""
    inner = [*dataset.get('datasets', ()), *filter(None, [dataset.get('dataset')])]
    for each in inner:
        _set_pipeline(each, pipeline)
    if not inner:
        dataset.pipeline = pipeline
