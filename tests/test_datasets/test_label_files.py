"""What every converter promises: right ids, checks, restarts, nothing half-written."""

import os
import re
import signal

import cv2
import numpy as np
import pytest
from PIL import Image
from street_data import CLASSES, LAYOUTS, png16, save, save_synthia

from mmseg_da.datasets.conversion import SYNTHIA, convert_cross_city, convert_synthia
from mmseg_da.datasets.label_files import read_red_16bit
from mmseg_da.errors import UserError

each_layout = pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS)


@each_layout
@pytest.mark.parametrize('nproc', [1, 2])
def test_ids_become_train_ids(tmp_path, layout, nproc):
    expected = layout.write(tmp_path, 9, shape=(20, 30))
    assert layout.convert(tmp_path, nproc=nproc, show_progress=False) == 9
    for number, train_ids in enumerate(expected):
        np.testing.assert_array_equal(layout.read(tmp_path, number), train_ids)
    listed = [layout.listed.format(number) for number in range(9)]
    assert (tmp_path / f'{layout.split}.txt').read_text().split() == listed


def die_before_replacing(layout, root, number):
    """Convert in a process that is killed between writing a label and giving it its name."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    replace, calls = os.replace, []

    def killed(source, target):
        calls.append(target)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = killed
    layout.convert(root, show_progress=False)
    os._exit(0)


@each_layout
def test_a_killed_run_leaves_whole_labels_and_goes_on(tmp_path, layout):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    for root in (whole, killed):
        layout.write(root, 6)
    layout.convert(whole, show_progress=False)
    assert die_before_replacing(layout, killed, 4) == -signal.SIGKILL
    done = layout.outputs(killed)
    assert len(done) == 3
    assert done.items() <= layout.outputs(whole).items()
    assert len(list(killed.rglob('*.part'))) == 1  # under another name, which nobody reads
    times = {name: (killed / name).stat().st_mtime_ns for name in done}
    layout.convert(killed, show_progress=False)
    assert layout.outputs(killed) == layout.outputs(whole)
    assert {name: (killed / name).stat().st_mtime_ns for name in done} == times
    assert not list(killed.rglob('*.part'))


@each_layout
def test_every_bad_file_is_listed_and_the_others_converted(tmp_path, layout):
    expected = layout.write(tmp_path, 6)
    label = [tmp_path / layout.label.format(number) for number in range(6)]
    label[0].write_bytes(label[0].read_bytes()[:-20])
    layout.save(label[1], np.full((4, 6), layout.max_id + 1))
    layout.save(label[2], np.zeros((6, 4), int))
    save(label[3], np.zeros((4, 6, 3)))
    (tmp_path / layout.image.format(4)).write_bytes(b'no image')
    with pytest.raises(UserError) as error:
        layout.convert(tmp_path, show_progress=False)
    said = str(error.value)
    assert said.startswith('5 of 6 labels were not converted')
    reasons = (
        'cannot be read',
        rf'holds id {layout.max_id + 1}, outside 0\.\.{layout.max_id}',
        'is 4x6, but its image .* is 6x4',
        'holds (RGB colours|3x8 bits)',
        'its image .* cannot be read',
    )
    for path, reason in zip(label, reasons, strict=False):
        assert re.search(rf'{re.escape(str(path))} {reason}', said), said
    np.testing.assert_array_equal(layout.read(tmp_path, 5), expected[5])
    good = [layout.output.format(5), f'{layout.split}.txt']
    assert sorted(layout.outputs(tmp_path)) == sorted(good)
    assert (tmp_path / f'{layout.split}.txt').read_text() == layout.listed.format(5) + '\n'


@each_layout
def test_the_input_stays_as_it_is(tmp_path, layout):
    layout.write(tmp_path / 'in', 2)
    before = {path: path.read_bytes() for path in (tmp_path / 'in').rglob('*') if path.is_file()}
    layout.convert(tmp_path / 'in', out=tmp_path / 'out', show_progress=False)
    after = {path: path.read_bytes() for path in (tmp_path / 'in').rglob('*') if path.is_file()}
    assert after == before
    assert set(layout.outputs(tmp_path / 'out')) == {
        layout.output.format(0),
        layout.output.format(1),
        f'{layout.split}.txt',
    }


@each_layout
def test_a_missing_folder_shows_the_layout(tmp_path, layout):
    with pytest.raises(UserError, match=r'no (folder|labels in) .*; expected\n.*\n.*'):
        layout.convert(tmp_path / 'nowhere')
    assert not (tmp_path / 'nowhere').exists()


def test_the_class_is_the_first_channel_of_the_file(tmp_path):
    """The other two hold more than 8 bits, and what Pillow and OpenCV make of the file is wrong."""
    ids = np.arange(23, dtype=np.uint16).reshape(1, 23)
    instances = 300 * np.arange(23).reshape(1, 23)
    (tmp_path / 'l.png').write_bytes(png16(np.stack([ids, instances, instances + 7], axis=-1)))
    read = read_red_16bit(tmp_path / 'l.png')
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, ids)
    assert np.asarray(Image.open(tmp_path / 'l.png'))[..., 0].max() == 0
    assert cv2.imread(str(tmp_path / 'l.png'))[..., 2].max() == 0


def test_a_class_above_255_is_refused_not_cut(tmp_path):
    LAYOUTS['synthia'].write(tmp_path, 1)
    save_synthia(tmp_path / 'GT/LABELS/0000000.png', np.full((4, 6), 256 + 3))
    with pytest.raises(UserError, match=r'holds id 259, outside 0\.\.22'):
        convert_synthia(tmp_path, show_progress=False)


def test_synthias_table_is_that_of_its_readme():
    readme = """void sky building road sidewalk fence vegetation pole car traffic-sign person bicycle
        motorcycle parking-slot road-work traffic-light terrain rider truck bus train wall
        lane-marking"""
    names = [name.replace('-', ' ') for name in readme.split()]
    expected = [CLASSES.index(name) if name in CLASSES else 255 for name in names]
    assert SYNTHIA.to_train_ids(np.arange(23)).tolist() == expected
    assert sorted(each for each in expected if each != 255) == list(range(19))


def test_frames_of_synthia_can_be_held_out(tmp_path):
    LAYOUTS['synthia'].write(tmp_path, 3)
    convert_synthia(tmp_path, val=1, show_progress=False)
    assert (tmp_path / 'train.txt').read_text() == '0000000\n0000001\n'
    assert (tmp_path / 'val.txt').read_text() == '0000002\n'


def test_cross_city_lists_each_city_and_takes_void_and_jpeg(tmp_path):
    for city, suffix in (('Rio', 'png'), ('Tokyo', 'jpg')):
        save(tmp_path / f'{city}/Images/Test/x.{suffix}', np.zeros((2, 3, 3)))
        save(tmp_path / f'{city}/Labels/Test/x_eval.png', [[7, 255, 33], [0, 8, 27]])
    assert convert_cross_city(tmp_path, show_progress=False) == 2
    for city in ('Rio', 'Tokyo'):
        assert (tmp_path / f'{city}.txt').read_text() == 'x\n'
        with Image.open(tmp_path / f'{city}/Labels/Test/x_labelTrainIds.png') as image:
            assert np.asarray(image).tolist() == [[0, 255, 18], [255, 1, 14]]
    save(tmp_path / 'Tokyo/Labels/Test/x_eval.png', np.zeros((3, 3)))
    with pytest.raises(UserError, match=r'is 3x3, but its image .*x\.jpg is 3x2'):
        convert_cross_city(tmp_path, show_progress=False)
