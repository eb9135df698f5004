"""Write one HTML page about trainings, from their work dirs; it needs no network."""

import argparse
from pathlib import Path

from mmseg_da.datasets.outputs import require_writable
from mmseg_da.errors import UserError, user_errors
from mmseg_da.report import Predictions, Run, make_report, predict, read_run
from mmseg_da.visualization import require_absent


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write one HTML page about trainings',
        epilog='Give source-only, adapted and upper bound in this order to see the share of the gap.',
    )
    parser.add_argument(
        'work_dirs', nargs='+', type=Path, metavar='WORK_DIR', help='of tools/train.py'
    )
    parser.add_argument('--names', nargs='+', help='what to call them; default: their folders')
    parser.add_argument('--out', type=Path, help='default: report.html in the last WORK_DIR')
    parser.add_argument('--force', action='store_true', help='replace the page, if it is there')
    parser.add_argument(
        '--no-predict',
        action='store_true',
        help='run no checkpoint: no images, no confusion matrix',
    )
    parser.add_argument(
        '--images', type=int, default=100, help='validation images to predict; default: 100'
    )
    return parser.parse_args()


def predictions_of(runs: list[Run], most: int) -> tuple[dict[str, Predictions], list[str]]:
    """What each run predicts, and why others do not."""
    found, notes = {}, []
    for number, run in enumerate(runs, 1):
        print(f'[{number}/{len(runs)}] {run.name}: predicting up to {most} images')
        try:
            found[run.name] = predict(run, most)
        except (
            Exception
        ) as error:  # whatever a segmentor of others raises: the rest is worth a page
            why = str(error) or type(error).__name__
            notes.append(f'{run.name}: no predictions: {why}')
            print(f'  none: {why}')
    return found, notes


def main() -> None:
    args = parse_args()
    names = args.names or _names(args.work_dirs)
    if len(names) != len(args.work_dirs) or len(set(names)) != len(names):
        raise UserError(
            f'--names: give {len(args.work_dirs)} names, one for each WORK_DIR, all different'
        )
    if args.images < 1:
        raise UserError('--images must be 1 or more; --no-predict predicts none')
    out = args.out or args.work_dirs[-1] / 'report.html'
    require_absent(out, args.force)
    runs = [read_run(folder, name) for folder, name in zip(args.work_dirs, names, strict=True)]
    require_writable(out.absolute().parent, '--out')
    found, notes = ({}, []) if args.no_predict else predictions_of(runs, args.images)
    make_report(runs, found, notes).write(out, args.force)
    print(f'Wrote {out}')


def _names(folders: list[Path]) -> list[str]:
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


if __name__ == '__main__':
    with user_errors():
        main()
