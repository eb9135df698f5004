"""Draw the training images of a domain after its pipeline: mmseg's script, and ``--domain``."""

import argparse
from pathlib import Path

from matplotlib import pyplot
from mmengine.registry import init_default_scope
from mmseg.registry import VISUALIZERS

from mmseg_da.datasets.one_domain import DOMAINS, OneDomain
from mmseg_da.datasets.outputs import require_writable
from mmseg_da.datasets.parallel import progress
from mmseg_da.engine import launch
from mmseg_da.errors import UserError, user_errors
from mmseg_da.visualization import draw_sample


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw training images: those of the source with their labels'
    )
    launch.add_common_flags(parser, runs=False)
    parser.add_argument('--domain', choices=DOMAINS, default='source', help='default: source')
    parser.add_argument('--output-dir', type=Path, help='folder to write the pictures to')
    parser.add_argument('--not-show', action='store_true', help='open no window')
    parser.add_argument('--show-interval', type=float, default=2, help='the interval of show (s)')
    return parser.parse_args()


def windows(args: argparse.Namespace) -> bool:
    """Whether pictures are shown: not on a machine without a display, if they are written."""
    display = pyplot.get_backend().lower() != 'agg'
    if not (display or args.output_dir or args.not_show):
        raise UserError(
            'there is no display: give --output-dir FOLDER to write the pictures, or --not-show '
            'to only run the pipeline on every image'
        )
    return display and not args.not_show


def draw_all(dataset: OneDomain, visualizer, args: argparse.Namespace) -> None:
    """Draw every sample."""
    show, names = windows(args), set()
    for index in progress(range(len(dataset)), f'Training images, {args.domain}'):
        path = dataset.image_path(index)
        name = Path(path).name
        if name in names:  # several folders of one dataset, or several datasets
            name = f'{index:06d}_{name}'
        names.add(name)
        file = args.output_dir / name if args.output_dir else None
        draw_sample(visualizer, dataset[index], name, file, show, args.show_interval)


def main() -> None:
    args = parse_args()
    windows(args)  # before anything is built
    if args.output_dir:
        require_writable(args.output_dir, '--output-dir')
    cfg = launch.read_config(args.config, args.cfg_options)
    train = (cfg.get('train_dataloader') or {}).get('dataset')
    if train is None:
        raise UserError(f'{args.config}: no train_dataloader.dataset to browse')
    with launch.config_errors(cfg):
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        dataset = OneDomain(train, args.domain)
        visualizer = VISUALIZERS.build(
            dict(type='SegLocalVisualizer', name='browse')
            | dict(cfg.get('visualizer') or {}, vis_backends=None)  # pictures are no log
        )
    visualizer.dataset_meta = dataset.metainfo
    draw_all(dataset, visualizer, args)
    where = f' in {args.output_dir}' if args.output_dir else ''
    print(f'{len(dataset)} images of the {args.domain}{where}')


if __name__ == '__main__':
    with user_errors():
        main()
