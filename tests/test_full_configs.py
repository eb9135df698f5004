"""Every config of full size runs: its data sets, transforms, hooks, schedules, stages and scores."""

import json
import math
from pathlib import Path

import pytest
from fresh_start import forget_runs
from full_size_data import repeat_cityscapes, write
from reduced_run import ITERATIONS, check_training, reduced
from test_configs import CONFIGS, LEAVES, read, walk

from mmseg_da.engine import launch
from mmseg_da.engine.stage_kinds import EVALUATE, LABEL, TRAIN
from mmseg_da.engine.stages import split

FULL = [path for path in LEAVES if 'small' not in path.relative_to(CONFIGS).parts]
QUICK = (  # of each family one; the stages of CyCADA one by one
    'adaptsegnet_gta2cs',
    'advent_gta2cs',
    'cycada/feature_gta2cs',
    'cycada/pixel_gta2cs',
    'cycada/segment_gta2cs',
    'dacs_gta2cs',
    'daformer_gta2cs',
    'fda_gta2cs',
    'hrda_gta2cs',
    'mic_gta2cs',
    'pspnet_finetune_voc',
)
SAYS = dict(  # of a start from other classes
    pspnet_finetune_voc=(
        'mode remap: 19 classes in the checkpoint, 21 here',
        'copied by class: decode_head.conv_seg.weight, decode_head.conv_seg.bias, '
        'auxiliary_head.conv_seg.weight, auxiliary_head.conv_seg.bias',
        'left as initialised: none',
        'classes copied: bicycle, bus, car, motorbike (of motorcycle), person, train',
        'classes started anew: background, aeroplane, bird, boat, bottle, cat, chair, cow, '
        'diningtable, dog, horse, pottedplant, sheep, sofa, tvmonitor',
    ),
    pspnet_finetune_gta2cs=(
        'mode keep: 19 classes in the checkpoint, 19 here',
        'copied by class: none',
        'left as initialised: none',
    ),
)
MANY = 100  # labelled images, at most, that a config chooses


def _cases():
    for path in FULL:
        name = str(path.relative_to(CONFIGS).with_suffix(''))
        mark = pytest.mark.stack if name in QUICK else pytest.mark.slow
        yield pytest.param(path, id=name, marks=mark)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Folders of all data sets, with a few images, and with many of Cityscapes."""
    root = tmp_path_factory.mktemp('full')
    write(root / 'few')
    repeat_cityscapes(root / 'few', root / 'many', MANY)
    return root


@pytest.fixture(autouse=True)
def _unformatted(monkeypatch):
    """A run writes its config seven times; to lay it out takes longer than to train."""
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, True))


@pytest.mark.parametrize('path', _cases())
def test_it_runs(path, data, tmp_path, monkeypatch):
    cfg = read(path)
    many = any('num' in part for _, part in walk(cfg.to_dict()['train_dataloader']))
    cfg = read(path, str(data / ('many' if many else 'few')), monkeypatch)
    cfg = reduced(cfg, tmp_path)
    cfg.work_dir = str(tmp_path / 'work')
    forget_runs()
    launch.train(cfg)
    if 'stages' not in cfg:
        check(cfg, tmp_path / 'work')
        (log,) = (tmp_path / 'work').glob('*/*.log')
        assert [line for line in SAYS.get(path.stem, ()) if line not in log.read_text()] == []
        return
    checks = {TRAIN: check, LABEL: check_labels, EVALUATE: check_scores}
    for stage in split(cfg):
        if stage.given is None:
            checks[stage.kind](stage.cfg, stage.folder)
    assert (tmp_path / f'work/iter_{ITERATIONS}.pth').is_file()


def check(cfg, work_dir):
    """See what one training has done."""
    scores = check_training(cfg, work_dir)
    if not scores:
        return
    evaluator = cfg.val_evaluator
    means = ['mIoU', *(evaluator.get('subsets') or {})]
    means += [f'{domain}/mIoU' for domain in evaluator.get('domains') or {}]
    assert all(math.isfinite(scores[mean]) for mean in means), means
    assert Path(work_dir, f'best_mIoU_iter_{ITERATIONS}.pth').is_file()


def check_labels(cfg, work_dir):
    """See that every training image of the target has labels."""
    images = Path(cfg.train_dataloader.dataset.target.data_root).glob('leftImg8bit/train/*/*.png')
    assert len(list((work_dir / 'labels').rglob('*.png'))) == len(list(images)) > 0


def check_scores(cfg, work_dir):
    """See that the mean of several networks has scores."""
    assert math.isfinite(json.loads((work_dir / 'metrics.json').read_text())['mIoU'])
