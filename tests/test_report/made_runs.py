"""Work dirs as mmengine leaves them, written by hand."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_da.report import Predictions

CLASSES, PALETTE = ('road', 'car'), ([128, 64, 128], [0, 0, 142])


def write_run(folder, stamp='20260101_120000', first=0, last=100, every=10, wanted=100, **more):
    """One start of a training that logged from one iteration to another."""
    inner = Path(folder, stamp, 'vis_data')
    inner.mkdir(parents=True)
    (inner / 'config.py').write_text(
        f"model = dict(type='x')\ntrain_cfg = dict(max_iters={wanted})\n"
    )
    lines = []
    for step in range(first + every, last + 1, every):
        values = {'seg.decode.loss_ce': 1 / step, 'segmentor.lr': 1e-3, 'mix.sure': step / 1000}
        lines.append(values | more | {'time': 0.1, 'iter': step, 'step': step})
    score = dict(mIoU=30 + last / 10, step=last) | {'IoU.road': 60.0, 'IoU.car': 20.0}
    text = '\n'.join(json.dumps(each) for each in [*lines, score])
    (inner / 'scalars.json').write_text(text + '\n')
    dashes = '-' * 60
    environment = f'{dashes}\nSystem environment:\n    sys.platform: linux\n    seed: 7\n{dashes}\n'
    (inner.parent / f'{stamp}.log').write_text(environment)
    (Path(folder) / f'iter_{last}.pth').touch()
    return Path(folder)


def write_test(folder, stamp='20260102_120000', **scores):
    """What a test leaves: the settings of the training, and its scores in a file of its own."""
    inner = Path(folder, stamp, 'vis_data')
    inner.mkdir(parents=True)
    (inner / 'config.py').write_text('train_cfg = dict(max_iters=100)\ntested = True\n')
    (inner.parent / f'{stamp}.json').write_text(json.dumps(scores | dict(time=0.1, data_time=0.1)))
    return Path(folder)


def make_predictions(folder, shift=0, count=4):
    """Predictions of images that are there; the first is the worst."""
    rng = np.random.default_rng(0)
    found = Predictions(CLASSES, PALETTE, np.array([[90, 10], [40 - shift, 60 + shift]]))
    for number in range(count):
        file = Path(folder, f'image_{number}.png')
        Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(file)
        found.images.append(str(file))
        found.scores.append(20.0 + 10 * number + shift)
        found.labels.append(rng.integers(0, 2, (24, 32), dtype=np.uint8))
        found.predicted.append(rng.integers(0, 2, (24, 32), dtype=np.uint8))
    return found
