"""Test a segmentor: mmseg's ``tools/test.py``, flag for flag."""

import argparse
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmseg_da.datasets.outputs import require_writable
from mmseg_da.engine import launch
from mmseg_da.errors import UserError, user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Test (and evaluate) a segmentor')
    launch.add_common_flags(parser)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='the dir to save the evaluation results as json')
    parser.add_argument('--out', help='the dir to save predictions for offline evaluation')
    parser.add_argument('--show', action='store_true', help='show prediction results')
    parser.add_argument('--show-dir', help='the dir to save painted images')
    parser.add_argument('--wait-time', type=float, default=2, help='the interval of --show (s)')
    parser.add_argument('--tta', action='store_true', help='test time augmentation')
    return parser.parse_args()


def draw_predictions(cfg: Config, args: argparse.Namespace) -> None:
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


def augment_at_test_time(cfg: Config, args: argparse.Namespace) -> None:
    """Put the config's `tta_pipeline` and `tta_model` in place, the first in every dataset."""
    for key in ('tta_pipeline', 'tta_model', 'test_dataloader'):
        if key not in cfg:
            raise UserError(f'{args.config}: --tta needs `{key}`')
    set_pipeline(cfg.test_dataloader.dataset, cfg.tta_pipeline)
    cfg.tta_model.module = cfg.model
    cfg.model = cfg.tta_model


def set_pipeline(dataset: ConfigDict, pipeline: list) -> None:
    """Set the pipeline of a dataset, or of all those that it joins."""
    inner = [*dataset.get('datasets', ()), *filter(None, [dataset.get('dataset')])]
    for each in inner:
        set_pipeline(each, pipeline)
    if not inner:
        dataset.pipeline = pipeline


def main() -> None:
    args = parse_args()
    cfg = launch.config_of(args)
    for flag, folder in (('--out', args.out), ('--show-dir', args.show_dir)):
        if folder is not None:
            require_writable(folder, flag)
    if not Path(args.checkpoint).is_file() and '://' not in args.checkpoint:
        raise UserError(f'{args.checkpoint}: no such checkpoint file')
    cfg.load_from = args.checkpoint
    if args.show or args.show_dir:
        draw_predictions(cfg, args)
    if args.tta:
        augment_at_test_time(cfg, args)
    if args.out is not None:
        if not isinstance(cfg.get('test_evaluator'), dict):
            raise UserError(f'{args.config}: --out needs `test_evaluator` to be one dict')
        cfg.test_evaluator.output_dir = args.out
        cfg.test_evaluator.keep_results = True
    launch.test(cfg)


if __name__ == '__main__':
    with user_errors():
        main()
