"""Look at a config, its data and this machine before a long training, and say what to mend."""

import argparse
from pathlib import Path

from mmseg_da.datasets.outputs import require_writable
from mmseg_da.doctor import examine
from mmseg_da.doctor.findings import worst
from mmseg_da.engine import launch
from mmseg_da.errors import UserError, user_errors
from mmseg_da.visualization import require_absent


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Look at a config, its data and this machine before a long training',
        epilog='Ends with code 0, or with 2 if something is bad.',
    )
    launch.add_common_flags(parser, runs=False)
    parser.add_argument('--out', type=Path, help='write a page with pictures, e.g. doctor.html')
    parser.add_argument('--force', action='store_true', help='replace the page, if it is there')
    parser.add_argument(
        '--images', type=int, default=500, help='images of each domain to open; default: 500'
    )
    parser.add_argument('--nproc', type=int, default=2, help='processes that open them; default: 2')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if min(args.images, args.nproc) < 1:
        raise UserError('--images and --nproc must be 1 or more')
    cfg = launch.load_config(args.config, args.cfg_options, None)
    if args.out:
        require_absent(args.out, args.force)
        require_writable(args.out.absolute().parent, '--out')
    visit = examine(cfg, args.config, args.images, args.nproc)
    for each in visit.findings:
        print(each)
    if args.out:
        visit.page().write(args.out, args.force)
        print(f'Wrote {args.out}')
    print(visit.verdict)
    if worst(visit.findings) == 'bad':
        raise SystemExit(2)


if __name__ == '__main__':
    with user_errors():
        main()
