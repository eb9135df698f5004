"""Every config of full size runs: its data sets, transforms, hooks, schedules, stages and scores."""

import copy
import json
import math
from argparse import ArgumentParser
from pathlib import Path

import pytest
from fresh_start import forget_runs
from full_size_data import repeat_cityscapes, write, write_true_sizes
from reduced_run import ITERATIONS, check_training, fits, reduced
from test_configs import CONFIGS, LEAVES, read, trainings, walk

from mmseg_da.engine import launch
from mmseg_da.engine.stage_kinds import EVALUATE, LABEL, TRAIN
from mmseg_da.engine.stages import split
from mmseg_da.engine.test_flags import add_test_flags, apply_test_flags
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

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

    def as_it_is(text, **_):
        return text, True

    for module in ('mmengine.config.config', 'yapf.yapflib.yapf_api'):  # by the version of mmengine
        monkeypatch.setattr(f'{module}.FormatCode', as_it_is, raising=False)


@pytest.mark.parametrize('path', _cases())
def test_it_runs(path, data, tmp_path, monkeypatch):
    cfg = read(path, str(tmp_path / 'nowhere'), monkeypatch)
    refuses_to_start(cfg, tmp_path / 'nothing')
    many = any('num' in part for _, part in walk(cfg.to_dict()['train_dataloader']))
    cfg = read(path, str(data / ('many' if many else 'few')), monkeypatch)
    cfg = reduced(cfg, tmp_path)
    cfg.work_dir = str(tmp_path / 'work')
    forget_runs()
    to_test = copy.deepcopy(cfg)
    launch.train(cfg)
    if path.stem != 'pixel_gta2cs':  # which ends with a translator
        check_augmented_test(to_test, tmp_path / 'work')
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


def refuses_to_start(cfg, work_dir):
    """Without its data, or a checkpoint that the user has to give, it says so and leaves nothing."""
    cfg.work_dir = str(work_dir)
    with pytest.raises(UserError, match=r'nowhere/.*: no such folder|work_dirs/.*: no such file'):
        launch.train(cfg)
    assert not work_dir.exists()


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


def check_augmented_test(cfg, work_dir):
    """See that the result of a run tests, as by ``tools/test.py --tta``."""
    parser = ArgumentParser()
    add_test_flags(parser)
    cfg.load_from, cfg.work_dir = str(work_dir / f'iter_{ITERATIONS}.pth'), str(work_dir / 'test')
    apply_test_flags(cfg, parser.parse_args(['--tta']))
    assert math.isfinite(launch.test(cfg)['mIoU'])


def check_labels(cfg, work_dir):
    """See that every training image of the target has labels."""
    images = Path(cfg.train_dataloader.dataset.target.data_root).glob('leftImg8bit/train/*/*.png')
    assert len(list((work_dir / 'labels').rglob('*.png'))) == len(list(images)) > 0


def check_scores(cfg, work_dir):
    """See that the mean of several networks has scores."""
    assert math.isfinite(json.loads((work_dir / 'metrics.json').read_text())['mIoU'])


@pytest.fixture(scope='module')
def true_sizes(tmp_path_factory):
    """Folders of all data sets, each with one image as large as it is published."""
    root = tmp_path_factory.mktemp('true')
    write_true_sizes(root)
    return root


def test_networks_get_images_of_the_size_that_they_expect(true_sizes, monkeypatch):
    """Nothing is smaller here but the number of images; and ``--tta`` has the view of a test."""
    monkeypatch.setenv('MMSEG_DA_DATA', str(true_sizes))
    seen = {}
    for stage in (stage for path in FULL for stage in trainings(path)):
        if stage.kind == TRAIN and stage.given is None:
            dataset = without_user_files(stage.cfg.train_dataloader.dataset)
            key = repr(dataset)
            if key not in seen:  # many differ in the method alone
                seen[key] = DATASETS.build(dataset)[0]
            sample = {'': seen[key]} if 'inputs' in seen[key] else seen[key]
            for domain, each in sample.items():
                size = each['inputs'].shape[-2:]
                assert fits(size, stage.cfg.model, domain), (stage, domain, size)
        if stage.cfg.get('val_dataloader'):
            assert stage.cfg.test_dataloader == stage.cfg.val_dataloader, stage
            views = [resizes(each) for each in stage.cfg.tta_pipeline[1].transforms[0]]
            own = resizes(stage.cfg.test_dataloader.dataset.pipeline)
            assert own in views or None in views, stage  # mmseg has the images' own size instead
    assert len(seen) > 10


def resizes(pipeline):
    """To what a pipeline, or a transform, resizes images: None where it leaves them as they are."""
    resize = next((each for _, each in walk(pipeline) if each.get('type') == 'Resize'), {})
    scale, factor = resize.get('scale'), resize.get('scale_factor', 1.0)
    return None if scale is None and factor == 1 else (scale, factor, resize.keep_ratio)


def without_user_files(dataset):
    """The same data without pseudo labels, and with as few images as there are."""
    for _, part in walk(dataset):
        if 'num' in part:
            part['num'] = 1
        if 'data_root' in part:
            part['serialize_data'] = False  # which takes longer than all the rest
        if 'pipeline' in part:
            part['pipeline'] = [t for t in part['pipeline'] if t['type'] != 'LoadPseudoLabels']
    return dataset
