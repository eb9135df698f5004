"""Pixels of each class: equal to a plain count, kept, and counted again when the labels change."""

import logging
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from label_folders import CLASSES, build, config, random_labels, write_label
from mmcv.transforms import LoadAnnotations
from mmengine.config import Config
from mmengine.logging import MMLogger
from PIL import Image

from mmseg_da.datasets import class_pixels as module
from mmseg_da.datasets.class_pixels import class_pixels
from mmseg_da.errors import UserError


@pytest.fixture
def said(caplog):
    """What was logged since the last call."""
    logger = MMLogger.get_instance('class_pixels')
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO)

    def take() -> list[str]:
        texts = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return texts

    yield take
    logger.removeHandler(caplog.handler)


@pytest.fixture
def root(tmp_path):
    """Five labels below two folders."""
    for number, ids in enumerate(random_labels(5)):
        write_label(tmp_path / 'set', f'{"ab"[number % 2]}/{number}', ids)
    return tmp_path / 'set'


def plain_count(dataset, num_classes=4, table=None):
    """Class by class, image by image, from the files."""
    rows = []
    for index in range(len(dataset)):
        with Image.open(dataset.get_data_info(index)['seg_map_path']) as image:
            ids = np.asarray(image)
        ids = ids if table is None else np.vectorize(lambda each: table.get(each, 255))(ids)
        rows.append([int((ids == label).sum()) for label in range(num_classes)])
    return rows


def counted(said):
    return [text for text in said() if 'counting the pixels' in text]


def cache_files(root):
    return sorted((root / '.mmseg_da').glob('*'))


def test_it_equals_a_plain_count(root):
    dataset = build(config(root))
    found = class_pixels(dataset)
    assert found.dtype == np.int64
    assert found.tolist() == plain_count(dataset)
    assert found.sum() < 5 * 12 * 16  # some pixels are ignored


def test_zero_is_left_out_where_the_dataset_says_so(root):
    dataset = build(config(root, CLASSES[1:], reduce_zero_label=True))
    assert class_pixels(dataset).tolist() == plain_count(dataset, 3, {1: 0, 2: 1, 3: 2})


def test_a_label_map_and_merged_classes_apply(root):
    groups = dict(thing=['car', 'lamp'], stuff=['sky'])
    dataset = build(
        dict(type='MergedClasses', dataset=config(root), groups=groups, others='ignore')
    )
    assert class_pixels(dataset).tolist() == plain_count(dataset, 2, {2: 0, 3: 0, 1: 1})


def test_several_processes_count_the_same(tmp_path, monkeypatch):
    for number, ids in enumerate(random_labels(20, (4, 5))):
        write_label(tmp_path, f'{number:02d}', ids)
    dataset = build(config(tmp_path))
    monkeypatch.setattr(module, '_cores', lambda: 2)
    assert class_pixels(dataset).tolist() == plain_count(dataset)


def test_the_second_time_nothing_is_read(root, said):
    first = class_pixels(build(config(root)))
    assert len(counted(said)) == 1
    dataset = build(config(root))
    dataset.pipeline.transforms[1]._load_seg_map = None  # would fail
    assert class_pixels(dataset).tolist() == first.tolist()
    assert counted(said) == []


def test_only_a_changed_label_is_counted_again(root, said):
    class_pixels(build(config(root)))
    said()
    write_label(root, 'b/1', np.zeros((12, 16)))
    dataset = build(config(root))
    found = class_pixels(dataset)
    assert 'the pixels of 1 labels' in counted(said)[0]
    assert found.tolist() == plain_count(dataset)
    assert found[3].tolist() == [12 * 16, 0, 0, 0]  # a/0, a/2, a/4, b/1, b/3
    assert len(cache_files(root)) == 1


def test_the_same_size_at_another_time_is_a_change(root, said):
    path = root / 'labels/a/0.png'
    class_pixels(build(config(root)))
    said()
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    class_pixels(build(config(root)))
    assert 'the pixels of 1 labels' in counted(said)[0]


def test_a_new_label_and_one_that_is_gone_and_back(root, said):
    class_pixels(build(config(root)))
    write_label(root, 'c/9', np.ones((12, 16)))
    said()
    dataset = build(config(root))
    assert class_pixels(dataset).tolist() == plain_count(dataset)
    assert 'the pixels of 1 labels' in counted(said)[0]
    few = build(config(root, indices=[5]))
    assert class_pixels(few).tolist() == [[0, 12 * 16, 0, 0]]
    assert class_pixels(build(config(root))).tolist() == plain_count(dataset)
    assert counted(said) == []


@pytest.mark.parametrize(
    'change',
    [
        dict(classes=CLASSES[::-1]),
        dict(classes=CLASSES[1:], reduce_zero_label=True),
        dict(data_prefix=dict(img_path='images', seg_map_path='others')),
        dict(pipeline=[dict(type='LoadAnnotations', imdecode_backend='cv2')]),
    ],
)
def test_other_classes_folders_and_loaders_are_counted_apart(root, said, change):
    class_pixels(build(config(root)))
    said()
    for path in (root / 'labels').rglob('*.png'):
        other = root / 'others' / path.relative_to(root / 'labels')
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(path.read_bytes())
    class_pixels(build(config(root, **change)))
    assert 'the pixels of 5 labels' in counted(said)[0]
    assert len(cache_files(root)) == 2
    class_pixels(build(config(root)))
    assert counted(said) == []


def test_a_data_set_may_be_moved(root, said):
    before = class_pixels(build(config(root)))
    moved = root.rename(root.with_name('moved'))
    said()
    assert class_pixels(build(config(moved))).tolist() == before.tolist()
    assert counted(said) == []


@pytest.mark.parametrize(
    'damage',
    [
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: path.write_bytes(b'nothing of the kind'),
        lambda path: path.write_bytes(b''),
        lambda path: np.savez(path, names=np.array(['a']), sizes=[1], times=[1], counts=[[1, 2]]),
        lambda path: np.savez(path, names=np.array(['a'], object), sizes=[1], times=[1]),
    ],
)
def test_a_damaged_file_is_counted_anew_with_a_warning(root, said, damage):
    dataset = build(config(root))
    class_pixels(dataset)
    (path,) = cache_files(root)
    damage(path)
    said()
    assert class_pixels(dataset).tolist() == plain_count(dataset)
    assert any(str(path) in text and 'is damaged' in text for text in said())
    class_pixels(dataset)
    assert counted(said) == []


def test_another_folder_and_the_users_own_where_the_data_is_read_only(root, tmp_path, monkeypatch):
    class_pixels(build(config(root)), cache=str(tmp_path / 'here/counts'))
    assert len(list((tmp_path / 'here/counts').glob('class_pixels_*.npz'))) == 1
    assert not cache_files(root)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'own'))
    monkeypatch.setattr('os.access', lambda *_: False)
    class_pixels(build(config(root)))
    assert len(list((tmp_path / 'own/mmseg_da').glob('class_pixels_*.npz'))) == 1
    assert not cache_files(root)


def test_a_cache_that_cannot_be_written_is_a_warning(root, tmp_path, said):
    (tmp_path / 'file').write_text('no folder')
    dataset = build(config(root))
    found = class_pixels(dataset, cache=str(tmp_path / 'file/counts'))
    assert found.tolist() == plain_count(dataset)
    assert any('cannot keep the pixels' in text for text in said())


def test_every_bad_label_is_named_and_nothing_is_kept(root):
    (root / 'labels/a/0.png').write_bytes(b'no picture')
    write_label(root, 'a/2', np.full((12, 16), 4))
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(root / 'labels/b/3.png')
    (root / 'labels/b/1.png').unlink()
    with pytest.raises(UserError, match='4 of 5 labels cannot be counted') as error:
        class_pixels(build(config(root)))
    for said in (
        'a/0.png: is no label, or is damaged',
        'a/2.png: label 4 is none of the 4 classes',
        'b/3.png: the label is a colour picture of 3 channels',
        'b/1.png: no such label',
    ):
        assert said in str(error.value)
    assert not cache_files(root)


def test_many_bad_labels_are_not_all_listed(tmp_path):
    for number in range(14):
        write_label(tmp_path, f'{number:02d}', np.full((4, 4), 9))
    with pytest.raises(UserError, match='and 4 more') as error:
        class_pixels(build(config(tmp_path)))
    assert str(error.value).count('label 9') == 10


def test_a_pipeline_without_labels_is_told(root):
    with pytest.raises(UserError, match="add dict\\(type='LoadAnnotations'\\)"):
        class_pixels(build(config(root, pipeline=[dict(type='LoadImageFromFile')])))


class Slow(LoadAnnotations):
    """Loads labels, and says so in a file, slowly."""

    def transform(self, results):
        with open(os.environ['STARTED'], 'a') as file:
            file.write('one\n')
        time.sleep(0.05)
        return results | dict(gt_seg_map=np.zeros((2, 2), np.uint8))

    def __repr__(self):
        return 'Slow()'


def count_slowly(root):
    class_pixels(build(config(root, pipeline=[Slow()])))


@pytest.mark.parametrize('cores', [1, 2])
def test_a_killed_count_leaves_nothing_and_the_next_one_counts(tmp_path, monkeypatch, cores):
    for number, ids in enumerate(random_labels(40, (2, 2))):
        write_label(tmp_path / 'set', f'{number:02d}', ids)
    started = tmp_path / 'started'
    monkeypatch.setenv('STARTED', str(started))
    monkeypatch.setattr(module, '_cores', lambda: cores)
    process = multiprocessing.get_context('fork').Process(
        target=count_slowly, args=(tmp_path / 'set',)
    )
    process.start()
    while not started.exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert started.read_text().count('one') < 40
    assert not cache_files(tmp_path / 'set')
    dataset = build(config(tmp_path / 'set'))
    assert class_pixels(dataset).tolist() == plain_count(dataset)
    assert [path.suffix for path in cache_files(tmp_path / 'set')] == ['.npz']


DATA = Path(os.environ.get('MMSEG_DA_DATA', 'data'))


@pytest.mark.parametrize('pair', ['camvid2idd', 'dubai2czech', 'fluo2histo'])
def test_real_labels(pair, tmp_path):
    if not (DATA / pair / 'source/ann_dir/train').is_dir():
        pytest.skip(f'{DATA / pair} is not there')
    base = Path(__file__).resolve().parents[2] / f'configs/_base_/datasets/{pair}.py'
    source = Config.fromfile(base).train_dataloader.dataset.source
    dataset = build(dict(source, indices=list(range(0, 400, 20))))
    found = class_pixels(dataset, cache=str(tmp_path))
    assert found.tolist() == plain_count(dataset, len(dataset.metainfo['classes']))
    assert class_pixels(dataset, cache=str(tmp_path)).tolist() == found.tolist()
