"""Print a config with its bases merged: mmseg's ``print_config.py``, and ``--out``."""

import argparse
from pathlib import Path

from mmseg_da.engine import launch
from mmseg_da.errors import UserError, user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Print the whole config')
    parser.add_argument('config', help='config file path')
    parser.add_argument('--graph', action='store_true', help='print the model too')
    parser.add_argument('--out', help='a .py file to write the config to')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=launch.ConfigOptions,
        help='override settings of the config: key=value, key="[a,b]" or key=a,b for lists',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = launch.read_config(args.config, args.cfg_options)
    print(f'Config:\n{cfg.pretty_text}')
    if args.out:
        if Path(args.out).suffix != '.py':
            raise UserError(f'{args.out}: --out writes a Python config; end its name in .py')
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        cfg.dump(args.out)
    if args.graph:
        print(f'Model graph:\n{launch.build_model(cfg)}')


if __name__ == '__main__':
    with user_errors():
        main()
