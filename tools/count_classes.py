"""Count the classes of a config's source, and say how often rare-class sampling draws each.

What is counted is kept for the training. The target need not be there.
"""

import argparse

from mmengine.registry import init_default_scope

from mmseg_da.datasets.one_domain import OneDomain
from mmseg_da.engine import launch
from mmseg_da.errors import UserError, user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Count the classes of the source')
    launch.add_common_flags(parser, runs=False)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = launch.read_config(args.config, args.cfg_options)
    train = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if 'source' not in train or 'target' not in train:
        raise UserError(f'{args.config}: no train_dataloader.dataset with a source and a target')
    with launch.config_errors(cfg):
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        if train.get('rare_classes') is None:
            train.rare_classes = {}  # the paper's settings
        dataset = OneDomain(train, 'source').dataset
        dataset.rare_classes.tables(separate=bool(dataset.shares))  # which logs them


if __name__ == '__main__':
    with user_errors():
        main()
