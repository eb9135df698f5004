"""Print a config with its bases merged: mmseg's ``print_config.py``, and ``--out``."""

import argparse
from pathlib import Path

from mmseg_da.datasets.outputs import require_writable, write_atomically
from mmseg_da.engine import launch
from mmseg_da.errors import UserError, user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Print the whole config')
    launch.add_common_flags(parser, runs=False)
    parser.add_argument('--graph', action='store_true', help='print the model too')
    parser.add_argument('--out', help='a .py file to write the config to')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.out:
        if Path(args.out).suffix != '.py':
            raise UserError(f'{args.out}: --out writes a Python config; end its name in .py')
        require_writable(Path(args.out).parent, '--out')
    cfg = launch.read_config(args.config, args.cfg_options)
    print(f'Config:\n{cfg.pretty_text}')
    if args.out:
        try:
            Path(args.out).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(Path(args.out), cfg.pretty_text.encode())
        except OSError as error:
            raise UserError(f'{args.out}: cannot be written ({error})') from error
    if args.graph:
        print(f'Model graph:\n{launch.build_model(cfg)}')


if __name__ == '__main__':
    with user_errors():
        main()
