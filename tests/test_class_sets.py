"""SYNTHIA in 19, 16 and 13 classes and Cityscapes to other cities, from files to scores."""

import json
import re
import shutil
from pathlib import Path

import pytest
from fresh_start import forget_runs
from street_data import CLASSES, CLASSES_13, CLASSES_16, LAYOUTS, picture, save
from test_configs import CONFIGS, SIZE, read, shrink, walk

from mmseg_da.engine import launch
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS, METRICS

pytestmark = pytest.mark.stack
DOCS = Path(__file__).resolve().parents[1] / 'docs/data.md'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A folder with synthia, cityscapes and two cities, converted."""
    root = tmp_path_factory.mktemp('data')
    for name in ('synthia', 'cityscapes', 'crosscity'):
        LAYOUTS[name].write(root / name, 2, shape=(48, 80))
        LAYOUTS[name].convert(root / name, show_progress=False)
    for folder in ('leftImg8bit', 'gtFine'):
        shutil.copytree(
            root / 'cityscapes' / folder / 'train', root / 'cityscapes' / folder / 'val'
        )
    for number in range(2):
        path = root / f'crosscity/Rome/Images/Train/pano_{number}.jpg'
        save(path, picture((40, 80), number))
    shutil.copytree(root / 'crosscity/Rome', root / 'crosscity/Rio')
    return str(root)


def train(cfg, work_dir, best='mIoU'):
    """Two iterations and a validation at a small size; gives the logged scores."""
    cfg.model = shrink(cfg.model)
    for name in ('train_source', 'train_target', 'val_target', 'datasets', 'tta_pipeline'):
        cfg.pop(name, None)  # the runner logs the config, and lays out long lists slowly
    for _, part in walk(dict(cfg.items())):
        if part.get('type') == 'Resize':
            part['scale'] = SIZE[::-1]
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.default_hooks.checkpoint.update(interval=2, save_best=best)
    cfg.default_hooks.logger.interval = 1
    cfg.work_dir = str(work_dir)
    forget_runs()
    launch.train(cfg)
    (path,) = Path(work_dir).glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row['step'] for row in rows] == [1, 2, 2]
    assert rows[0]['seg.decode.loss_ce'] > 0
    assert Path(work_dir, f'best_{best.replace("/", "_")}_iter_2.pth').is_file()
    return rows[-1]


def scored_classes(scores):
    return [key.removeprefix('IoU.') for key in scores if key.startswith('IoU.')]


def close(value):
    """To what is left of two digits in single precision."""
    return pytest.approx(value, abs=0.011)


def mean(scores, names):
    """Of the classes' scores as logged; each of them is there in this data."""
    return close(sum(scores[f'IoU.{name}'] for name in names) / len(names))


def test_synthia_trains_in_19_classes_and_scores_16_and_13(data, tmp_path, monkeypatch):
    scores = train(read(CONFIGS / 'adaptsegnet_synthia2cs.py', data, monkeypatch), tmp_path)
    assert scored_classes(scores) == CLASSES
    assert scores['mIoU'] == mean(scores, CLASSES)
    assert scores['mIoU16'] == mean(scores, CLASSES_16)
    assert scores['mIoU13'] == mean(scores, CLASSES_13)


def python_blocks():
    return re.findall(r'```python\n(.*?)```', DOCS.read_text(), re.DOTALL)


def documented(word, folder):
    """Write the config of docs/data.md that holds a word where its bases are found."""
    (text,) = [block for block in python_blocks() if word in block]
    path = folder / 'mine.py'
    path.write_text(text.replace("'./adaptsegnet", f"'{CONFIGS}/adaptsegnet"))
    return path


@pytest.mark.slow
def test_synthia_trains_in_16_classes_as_documented(data, tmp_path, monkeypatch):
    path = documented('num_classes=16', tmp_path)
    cfg = read(path, data, monkeypatch)
    scores = train(cfg, tmp_path / 'work', 'mIoU13')
    assert scored_classes(scores) == CLASSES_16
    assert scores['mIoU'] == mean(scores, CLASSES_16)
    assert scores['mIoU16'] == mean(scores, CLASSES_16)
    assert scores['mIoU13'] == mean(scores, CLASSES_13)


def test_13_classes_have_no_mean_of_16(data, tmp_path, monkeypatch):
    path = documented('num_classes=16', tmp_path)
    text = path.read_text().replace('num_classes=16', 'num_classes=13')
    path.write_text(text.replace('classes=_base_.classes_16', 'classes=_base_.classes_13'))
    cfg = read(path, data, monkeypatch)
    metainfo = DATASETS.build(cfg.val_dataloader.dataset).metainfo
    assert list(metainfo['classes']) == CLASSES_13
    with pytest.raises(UserError, match=r"subsets\['mIoU16'\] names \['wall', 'fence', 'pole'\]"):
        METRICS.build(cfg.val_evaluator).dataset_meta = metainfo
    path.write_text(path.read_text() + 'val_evaluator = dict(subsets=None)\n')
    metric = METRICS.build(read(path, data, monkeypatch).val_evaluator)
    metric.dataset_meta = metainfo
    assert metric.subsets == {}


def test_one_setting_names_the_city(data, tmp_path, monkeypatch):
    monkeypatch.setenv('MMSEG_DA_CITY', 'Rio')
    cfg = read(CONFIGS / 'adaptsegnet_cs2crosscity.py', data, monkeypatch)
    assert cfg.work_dir == 'work_dirs/adaptsegnet_cs2crosscity/Rio'
    found = [part['img_path'] for _, part in walk(cfg.to_dict()) if 'img_path' in part]
    assert sum(path.startswith('Rio/') for path in found) >= 3
    assert not any('Rome' in path for path in found)
    scores = train(cfg, tmp_path)
    assert scored_classes(scores) == CLASSES_13
    assert scores['mIoU'] == mean(scores, CLASSES_13)


def test_a_city_that_is_not_there_is_told(data, tmp_path, monkeypatch):
    monkeypatch.setenv('MMSEG_DA_CITY', 'Tokyo')
    cfg = read(CONFIGS / 'adaptsegnet_cs2crosscity.py', data, monkeypatch)
    with pytest.raises(
        UserError, match=r'crosscity/Tokyo/Images/Train: no such folder\. docs/data'
    ):
        train(cfg, tmp_path)


def test_several_cities_are_scored_at_once_as_documented(data, tmp_path, monkeypatch):
    path = documented('ConcatDataset', tmp_path)
    path.write_text(path.read_text().replace("'Rio', 'Rome', 'Taipei', 'Tokyo'", "'Rio', 'Rome'"))
    scores = train(read(path, data, monkeypatch), tmp_path / 'work', 'Rio/mIoU')
    # The two cities are copies of each other.
    for prefix in ('Rio/', 'Rome/', ''):
        assert scores[f'{prefix}mIoU'] == mean(scores, CLASSES_13)
        assert scores[f'{prefix}IoU.road'] == scores['IoU.road']
