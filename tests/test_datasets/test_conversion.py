import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from mmseg.datasets import CityscapesDataset
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmseg_da.datasets.conversion import convert_cityscapes, convert_gta, to_train_ids
from mmseg_da.datasets.parallel import in_parallel
from mmseg_da.errors import UserError

REPO = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get('MMSEG_DA_DATA', REPO.parent / 'shared' / 'data'))

# Written out from the table of Cityscapes, not from the code: label id, train id, class.
TABLE = """
    7 0 road, 8 1 sidewalk, 11 2 building, 12 3 wall, 13 4 fence, 17 5 pole, 19 6 traffic light,
    20 7 traffic sign, 21 8 vegetation, 22 9 terrain, 23 10 sky, 24 11 person, 25 12 rider,
    26 13 car, 27 14 truck, 28 15 bus, 31 16 train, 32 17 motorcycle, 33 18 bicycle"""
ROWS = [row.split(maxsplit=2) for row in TABLE.split(',')]
TRAIN_ID = {int(label): int(train) for label, train, _ in ROWS}

IDS = np.array([[0, 7, 34], [8, 33, 26]], np.uint8)
TRAIN_IDS = [[255, 0, 255], [1, 18, 13]]


def write_gta(root, names=('00001', '00002', '00003'), ids=IDS):
    """A GTA5 folder whose palette shows colours that have nothing to do with the ids."""
    for folder in ('images', 'labels'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new('RGB', ids.shape[::-1]).save(root / 'images' / f'{name}.png')
        label = Image.fromarray(ids)
        label.putpalette([255 - i // 3 for i in range(768)])
        label.save(root / 'labels' / f'{name}.png')
    return root


def write_cityscapes(root, gt_dir='gtFine', ids=None):
    """Two train frames and one val frame."""
    ids = np.minimum(IDS, 33) if ids is None else ids
    for name in ('train/a/a_000000_000019', 'train/b/b_000000_000019', 'val/c/c_000000_000019'):
        image = root / 'leftImg8bit' / f'{name}_leftImg8bit.png'
        label = root / gt_dir / f'{name}_{gt_dir}_labelIds.png'
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', ids.shape[::-1]).save(image)
        Image.fromarray(ids).save(label)
    return root


def read(path):
    with Image.open(path) as image:
        assert image.mode == 'L'
        return np.asarray(image).tolist()


def files(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob('*') if p.is_file()}


def test_train_ids_follow_the_cityscapes_table():
    expected = [TRAIN_ID.get(label, 255) for label in range(256)]
    assert to_train_ids(np.arange(256, dtype=np.uint8)).tolist() == expected
    classes = CityscapesDataset.METAINFO['classes']
    assert [name for _, _, name in ROWS] == list(classes)


def test_gta_palette_images_are_read_as_ids(tmp_path):
    write_gta(tmp_path)
    assert convert_gta(tmp_path) == 3
    for name in ('00001', '00002', '00003'):
        assert read(tmp_path / f'labels/{name}_labelTrainIds.png') == TRAIN_IDS
    assert (tmp_path / 'train.txt').read_text() == '00001\n00002\n00003\n'
    assert not (tmp_path / 'val.txt').exists()


def test_gta_can_hold_frames_out(tmp_path):
    write_gta(tmp_path)
    convert_gta(tmp_path, val=1)
    assert (tmp_path / 'train.txt').read_text() == '00001\n00002\n'
    assert (tmp_path / 'val.txt').read_text() == '00003\n'


@pytest.mark.parametrize('gt_dir', ['gtFine', 'gtCoarse'])
def test_cityscapes_lists_every_split(tmp_path, gt_dir):
    write_cityscapes(tmp_path, gt_dir)
    assert convert_cityscapes(tmp_path, gt_dir) == 3
    path = tmp_path / gt_dir / f'val/c/c_000000_000019_{gt_dir}_labelTrainIds.png'
    assert read(path) == [[255, 0, 18], [1, 18, 13]]
    assert (tmp_path / 'train.txt').read_text() == 'a/a_000000_000019\nb/b_000000_000019\n'
    assert (tmp_path / 'val.txt').read_text() == 'c/c_000000_000019\n'


def test_output_folder_leaves_the_input_alone(tmp_path):
    root = write_gta(tmp_path / 'gta')
    before = files(root)
    convert_gta(root, out=tmp_path / 'out')
    assert files(root) == before
    assert sorted(map(str, files(tmp_path / 'out'))) == [
        'labels/00001_labelTrainIds.png',
        'labels/00002_labelTrainIds.png',
        'labels/00003_labelTrainIds.png',
        'train.txt',
    ]


def test_parallel_equals_serial(tmp_path):
    names = [f'{n:05d}' for n in range(20)]
    rng = np.random.default_rng(0)
    serial = write_gta(tmp_path / 'serial', names, rng.integers(0, 35, (8, 9), np.uint8))
    (serial / 'labels/00007.png').write_bytes(b'broken')
    parallel = shutil.copytree(serial, tmp_path / 'parallel')
    for root, nproc in ((serial, 1), (parallel, 2)):
        with pytest.raises(UserError, match=r'00007\.png cannot be read'):
            convert_gta(root, nproc=nproc)
    assert files(serial) == files(parallel)
    assert len(list(serial.glob('labels/*_labelTrainIds.png'))) == 19


def test_killed_worker_is_told():
    with pytest.raises(UserError, match='smaller --nproc'):
        list(in_parallel(os._exit, [1], 2))


@pytest.mark.skipif(sys.platform != 'linux', reason='looks into /proc')
def test_workers_end_with_a_killed_parent(tmp_path):
    pids = tmp_path / 'pids'
    parent = os.fork()
    if not parent:  # one worker tells its id, and both would then wait for ever
        os.setsid()
        for pid in in_parallel(_own_pid, range(32), 2):
            pids.write_text(str(pid))
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 10
    try:
        while _is_running(int(pids.read_text())):
            assert time.monotonic() < deadline, 'the worker lives on'
            time.sleep(0.02)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent, signal.SIGKILL)


def _own_pid(_):
    return os.getpid()


def _is_running(pid):
    stat = Path(f'/proc/{pid}/stat')
    return stat.is_file() and stat.read_text().split()[2] not in 'ZX'


def test_killed_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    root = write_gta(tmp_path)
    replace, moved = os.replace, []

    def die_at_second(source, target):
        if len(moved) == 1:
            raise KeyboardInterrupt
        moved.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, 'replace', die_at_second)
    with pytest.raises(KeyboardInterrupt):
        convert_gta(root)
    assert [p.name for p in root.glob('labels/*.p*') if len(p.name) > 9] == moved

    def note(source, target):
        moved.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, 'replace', note)
    convert_gta(root)
    assert moved == [f'0000{n}_labelTrainIds.png' for n in (1, 2, 3)] + ['train.txt']
    assert not list(root.rglob('*.part'))


def test_newer_label_is_converted_again(tmp_path):
    root = write_gta(tmp_path, ['00001'])
    convert_gta(root)
    output = root / 'labels/00001_labelTrainIds.png'
    os.utime(output, (1, 1))
    write_gta(root, ['00001'], IDS * 0 + 23)
    convert_gta(root)
    assert read(output) == [[10] * 3] * 2


def break_label(path, how):
    if how == 'truncated':
        Image.fromarray(np.random.default_rng(0).integers(0, 30, (64, 64), np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:900])
    elif how == 'colours':
        Image.new('RGB', (3, 2), (128, 64, 128)).save(path)
    elif how == 'bits':
        Image.new('1', (3, 2), 1).save(path)
    elif how == 'size':
        Image.fromarray(IDS.T.copy()).save(path)
    else:
        Image.fromarray(np.uint8([[7, 7, 35], [7, 7, 7]])).save(path)


REASONS = {
    'truncated': r'cannot be read \(.*[Tt]runcated',
    'colours': 'holds RGB colours',
    'bits': 'has 1 bit per pixel, which is read in several ways: save it with 8',
    'size': r'is 2x3, but its image .*00002\.png is 3x2',
    'id': r'holds id 35, outside 0\.\.34',
}


@pytest.mark.parametrize('how', REASONS)
def test_bad_label_is_named_and_has_no_output(tmp_path, how):
    root = write_gta(tmp_path)
    convert_gta(root)
    output = root / 'labels/00002_labelTrainIds.png'
    os.utime(output, (1, 1))  # an old output must not outlive its label
    break_label(root / 'labels/00002.png', how)
    with pytest.raises(
        UserError, match=rf'(?s)1 of 3 labels.*labels/00002\.png {REASONS[how]}'
    ) as error:
        convert_gta(root)
    assert str(error.value).count('.png ') == str(error.value).count('00002.png ')
    assert not output.exists()
    assert read(root / 'labels/00003_labelTrainIds.png') == TRAIN_IDS
    assert (root / 'train.txt').read_text() == '00001\n00003\n'


def test_cityscapes_has_no_id_34(tmp_path):
    write_cityscapes(tmp_path, ids=IDS)
    with pytest.raises(UserError, match=r'3 of 3 labels(.*\n)+.*holds id 34, outside 0\.\.33'):
        convert_cityscapes(tmp_path)


def test_labels_without_images_are_counted(tmp_path, capsys):
    root = write_gta(tmp_path)
    (root / 'images/00002.png').unlink()
    convert_gta(root)
    assert '1 labels have no image' in capsys.readouterr().out
    assert read(root / 'labels/00002_labelTrainIds.png') == TRAIN_IDS


def test_missing_folder_is_named_with_the_layout(tmp_path):
    with pytest.raises(
        UserError, match=rf'no folder {tmp_path}/labels; expected\n.*images/00001\.png'
    ):
        convert_gta(tmp_path)
    (tmp_path / 'gtFine').mkdir()
    with pytest.raises(
        UserError, match=r'no labels in .*gtFine; expected\n.*leftImg8bit/{train,val}'
    ):
        convert_cityscapes(tmp_path)


def test_true_cityscapes_labels(tmp_path):
    samples = DATA / 'samples/cityscapes'
    if not samples.is_dir():
        pytest.skip(f'the sample files are not in {samples}')
    found = convert_cityscapes(samples, out=tmp_path)
    sources = sorted(samples.glob('gtFine/*/*/*_labelIds.png'))
    assert found == len(sources) > 0
    for source in sources:
        ids = np.asarray(Image.open(source))
        name = source.name.replace('labelIds', 'labelTrainIds')
        train_ids = np.asarray(
            Image.open(tmp_path / 'gtFine' / source.parent.parent.name / source.parent.name / name)
        )
        for label, train in TRAIN_ID.items():
            np.testing.assert_array_equal(train_ids == train, ids == label)
        assert (train_ids == 255).sum() == (~np.isin(ids, list(TRAIN_ID))).sum()
        assert (train_ids == 0).mean() > 0.1  # road
    dataset = CityscapesDataset(
        data_root=str(tmp_path),
        ann_file='train.txt',
        data_prefix={
            'img_path': str(samples / 'leftImg8bit/train'),
            'seg_map_path': str(tmp_path / 'gtFine/train'),
        },
        pipeline=[{'type': 'LoadImageFromFile'}, {'type': LoadAnnotations}],
    )
    assert len(dataset) == len(sources)
    assert dataset[0]['gt_seg_map'].shape == dataset[0]['img'].shape[:2] == (1024, 2048)
