"""Which images and labels belong together, and what is told of files that do not."""

import re

import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmseg_da.errors import UserError
from mmseg_da.new_config import look_at

CLASSES = ('meadow', 'house', 'lake')
SIZE = (4, 6)


def save(folder, names, pixels=None):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros(SIZE, np.uint8) if pixels is None else pixels).save(folder / name)
    return folder


def look(tmp_path, images, labels, **options):
    folders = save(tmp_path / 'images', images), save(tmp_path / 'labels', labels)
    return look_at(*folders, CLASSES, **options)


def ends(folder):
    return folder.img_suffix, folder.seg_map_suffix


NUMBERED = [f'{number:04d}' for number in range(1, 31)]
PAIRS = dict(
    same=('{}.png', '{}.png'),
    kinds=('{}.jpg', '{}.png'),
    longer=('{}.png', '{}_L.png'),
    shorter=('{}_view.png', '{}.png'),
    words=('x_{}_leftImg8bit.png', 'x_{}_label.png'),  # both begin with an l
    letters=('x{}a.png', 'x{}b.png'),
    folders=('in/{}/image.png', 'in/{}/mask.png'),
)


@pytest.mark.parametrize('name', PAIRS)
def test_ends_are_those_that_fit_all_names(tmp_path, name):
    image, label = PAIRS[name]
    folder = look(tmp_path, map(image.format, NUMBERED), map(label.format, NUMBERED))
    assert folder.count == len(NUMBERED)
    expected = [each[each.rindex('}') + 1 :].lstrip('/') for each in PAIRS[name]]
    assert ends(folder) == tuple(expected)


@pytest.mark.parametrize('missing', [0, 7, 29])
@pytest.mark.parametrize('name', ['same', 'kinds', 'longer', 'words'])
def test_an_image_without_a_label_is_named_whichever_it_is(tmp_path, name, missing):
    image, label = PAIRS[name]
    labels = [label.format(each) for each in NUMBERED if each != NUMBERED[missing]]
    lonely = image.format(NUMBERED[missing])
    with pytest.raises(UserError, match=rf'images/{re.escape(lonely)}: has no label .* \(1 of 30 '):
        look(tmp_path, map(image.format, NUMBERED), labels)


@pytest.mark.parametrize(
    ('images', 'labels'),
    [
        (['img_0001.png'], ['img_0002.png']),
        (['0001.png'], ['0002.png']),
        (['a.png'], ['ab.png']),
        (['frame_1.png'], ['frame_10_mask.png']),
        (['a/0001.png'], ['a/0002.png']),
        (['one_view.png', 'one_depth.png'], ['one_mask.png']),
    ],
)
def test_a_label_of_another_image_is_none(tmp_path, images, labels):
    with pytest.raises(UserError, match=r'\.png: has no label in .*--seg-map-suffix'):
        look(tmp_path, images, labels)


def test_equal_names_come_first(tmp_path):
    labels = [f'{each}{end}' for each in NUMBERED for end in ('.png', '_color.png')]
    assert ends(look(tmp_path, (f'{n}.png' for n in NUMBERED), labels)) == ('.png', '.png')
    (tmp_path / 'labels' / f'{NUMBERED[3]}.png').unlink()
    with pytest.raises(UserError, match=rf'{NUMBERED[3]}\.png: has no label'):
        look_at(tmp_path / 'images', tmp_path / 'labels', CLASSES)


def test_labels_of_several_kinds_are_told_unless_one_is_named(tmp_path):
    names = [f'{number}_view.png' for number in range(3)]
    labels = [f'{number}_{kind}.png' for number in range(3) for kind in ('color', 'ids')]
    with pytest.raises(UserError, match=r'labels: .*_color\.png, _ids\.png.*--seg-map-suffix'):
        look(tmp_path, names, labels)
    one = look_at(tmp_path / 'images', tmp_path / 'labels', CLASSES, suffixes=(None, '_ids.png'))
    assert ends(one) == ('_view.png', '_ids.png')


def test_ends_that_are_given_are_taken(tmp_path):
    names = ['sceneView.png', 'sceneDepth.png']
    given = ('View.png', 'Mask.png')
    folder = look(tmp_path, names, ['sceneMask.png'], suffixes=given)
    assert (folder.count, ends(folder)) == (1, given)
    given = ('_view.jpg', None)
    folder = save(tmp_path / 'both', ['a_view.jpg', 'a_ids.png', 'b_view.jpg', 'b_ids.png'])
    assert ends(look_at(folder, folder, CLASSES, suffixes=given)) == ('_view.jpg', '_ids.png')


def test_images_of_several_kinds_are_told_with_labels_too(tmp_path):
    with pytest.raises(UserError, match=r'images of several kinds \(\.jpg, \.png\)'):
        look(tmp_path, ['a.jpg', 'b.png'], ['a.png', 'b.png'])


def test_labels_that_count_from_one_are_read_as_mmseg_reads_them(tmp_path):
    ids = np.array([[0, 1, 2, 3], [255, 255, 3, 3]], np.uint8)
    folders = [save(tmp_path / name, ['a.png'], ids) for name in ('images', 'labels')]
    shares = look_at(*folders, CLASSES, zero_is_ignored=True).shares
    info = dict(seg_map_path=folders[1] / 'a.png', reduce_zero_label=True, seg_fields=[])
    theirs = LoadAnnotations()(info)['gt_seg_map']
    labelled = theirs[theirs != 255]
    assert shares == tuple((labelled == each).mean() for each in range(3))


@pytest.mark.parametrize(
    ('found', 'options', 'said'),
    [
        (3, {}, 'numbered 0 to 2.*name 4 classes, or give --reduce-zero-label'),
        (4, dict(zero_is_ignored=True), 'holds the id 4, .*numbered 1 to 3.*: name 4 classes$'),
    ],
)
def test_an_id_beyond_the_classes_is_told_in_the_numbers_of_the_file(
    tmp_path, found, options, said
):
    ids = np.full(SIZE, found, np.uint8)
    folders = [save(tmp_path / name, ['a.png'], ids) for name in ('images', 'labels')]
    with pytest.raises(UserError, match=said):
        look_at(*folders, CLASSES, **options)


@pytest.mark.parametrize('suffix', ['.tif', '.ppm', '.jpg', '.png'])
@pytest.mark.parametrize('content', [b'only a text', b''])
def test_a_file_that_is_no_image_is_named(tmp_path, suffix, content):
    folder = save(tmp_path / 'images', [f'a{suffix}'], np.zeros((*SIZE, 3), np.uint8))
    (folder / f'b{suffix}').write_bytes(content)
    with pytest.raises(UserError, match=rf'b{suffix}: the image cannot be read'):
        look_at(folder, None, CLASSES)


def test_an_image_cut_short_is_named(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    file = save(tmp_path / 'images', ['a.tif'], pixels) / 'a.tif'
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r'a\.tif: the image cannot be read'):
        look_at(tmp_path / 'images', None, CLASSES)


def test_a_photo_is_turned_as_the_training_turns_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter
    images = save(tmp_path / 'images', [])
    Image.new('RGB', (6, 4)).save(images / 'a.jpg', exif=exif)
    labels = save(tmp_path / 'labels', ['a.png'], np.zeros((6, 4), np.uint8))
    assert look_at(images, labels, CLASSES).smallest == (6, 4)
    save(labels, ['a.png'])
    with pytest.raises(UserError, match=r'is 4 x 6 .* but its image 6 x 4'):
        look_at(images, labels, CLASSES)


def test_masks_of_0_and_255_are_told(tmp_path):
    mask = np.array([[0, 255], [255, 255]], np.uint8)
    folders = [save(tmp_path / name, ['a.png', 'b.png'], mask) for name in ('images', 'labels')]
    with pytest.raises(UserError, match=r'labels: .*nothing but 0 and 255.*write .* as 1'):
        look_at(*folders, CLASSES)
    save(folders[1], ['b.png'], mask & 1)
    assert look_at(*folders, CLASSES).shares == (0.4, 0.6, 0)
