"""Damaged, missing and unpaired files: each is told by name, and nothing is written."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image
from tool_helpers import SHORT, TOY

IMAGES, LABELS = 'gta/images', 'gta/labels'
TARGET = 'cityscapes/leftImg8bit/train/toyburg'
VAL_IMAGES, VAL_LABELS = 'cityscapes/leftImg8bit/val/toyville', 'cityscapes/gtFine/val/toyville'
LABEL = '_labelTrainIds.png'

pytestmark = pytest.mark.usefixtures('plainly_written')

# All six images in one batch, so that the first iteration reads every file.
ALL = [
    *(each for each in SHORT if 'batch_size' not in each),
    'train_dataloader.batch_size=6',
    'train_cfg.max_iters=1',
]


def file(root, folder, number=3):
    """The path of the nth file in a folder, by name."""
    labels = folder in (LABELS, VAL_LABELS)
    return sorted((root / folder).glob(f'*{LABEL}' if labels else '*'))[number]


def overwrite(content):
    def damage(path):
        path.write_bytes(content)

    return damage


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_header(path):
    path.write_bytes(path.read_bytes()[:20])


def remove(path):
    path.unlink()


def into_folder(path):
    path.unlink()
    path.mkdir()


def dangling(path):
    path.unlink()
    path.symlink_to('gone.png')


def ids(array):
    def damage(path):
        Image.fromarray(array).save(path)

    return damage


WRONG_SIZE = ids(np.zeros((48, 96), np.uint8))
COLOUR = ids(np.zeros((96, 192, 3), np.uint8))
WIDE = ids(np.full((96, 192), 300, np.uint16))
FOREIGN = ids(np.full((96, 192), 33, np.uint8))
WEB_PAGE = overwrite(b'<!DOCTYPE html><html>404</html>')

DAMAGE = {
    'a cut image': (IMAGES, cut, 'is no image, or is damaged'),
    'an image cut in its header': (IMAGES, cut_header, 'is no image, or is damaged'),
    'a web page as an image': (IMAGES, WEB_PAGE, 'is no image, or is damaged'),
    'an empty image': (IMAGES, overwrite(b''), 'is no image, or is damaged'),
    'an image that is a folder': (IMAGES, into_folder, 'is a folder, no image'),
    'a dangling link to an image': (IMAGES, dangling, 'no such image'),
    'a listed image that is not there': (IMAGES, remove, 'no such image'),
    'a cut label': (LABELS, cut, 'is no label, or is damaged'),
    'a text as a label': (LABELS, overwrite(b'road road car'), 'is no label, or is damaged'),
    'a label that is a folder': (LABELS, into_folder, 'is a folder, no label'),
    'an image without label': (LABELS, remove, 'no such label'),
    'a label of another size': (LABELS, WRONG_SIZE, 'is 48 x 96 (height x width), but its image'),
    'a colour label': (LABELS, COLOUR, 'a colour picture of 3 channels'),
    'a label that is no class': (LABELS, FOREIGN, 'label 33 is none of the 10 classes'),
    'a cut target image': (TARGET, cut, 'is no image, or is damaged'),
    'a target image that is text': (TARGET, overwrite(b'text'), 'is no image, or is damaged'),
}


ALSO_LATER = (
    'a web page as an image',
    'a listed image that is not there',
    'a cut label',
    'a label that is a folder',
    'an image without label',
    'a label of another size',
    'a colour label',
    'a cut target image',
)


@pytest.mark.parametrize(
    ('case', 'number'), [*((case, 0) for case in DAMAGE), *((case, 3) for case in ALSO_LATER)]
)
def test_a_bad_training_file_is_named(refused, own_data, case, number):
    """The first file is looked at before the model is built, any other where it is read."""
    folder, damage, words = DAMAGE[case]
    path = file(own_data, folder, number)
    damage(path)
    said = refused('train.py', TOY, '--work-dir', 'w', '--cfg-options', *ALL)
    if words == 'no such image' and number == 0:
        path, words = path.name, 'no image'  # told as a line of the list
    assert str(path) in said
    assert words in said


VAL_DAMAGE = {
    'a cut image': (VAL_IMAGES, cut, 'is no image, or is damaged'),
    'a cut label': (VAL_LABELS, cut, 'is no label, or is damaged'),
    'an image without label': (VAL_LABELS, remove, 'no such label'),
    'a label of another size': (VAL_LABELS, WRONG_SIZE, 'is 48 x 96 (height x width)'),
    'a label that is no class': (VAL_LABELS, FOREIGN, 'label 33 is none of the 10 classes'),
    'a colour label': (VAL_LABELS, COLOUR, 'a colour picture of 3 channels'),
}


@pytest.mark.parametrize('case', VAL_DAMAGE)
def test_a_bad_test_file_is_named(run_tool, own_data, trained, case):
    folder, damage, words = VAL_DAMAGE[case]
    path = file(own_data, folder, 1)
    damage(path)
    said = run_tool('test.py', TOY, trained / 'iter_2.pth', '--cfg-options', *SHORT).mistake
    assert str(path) in said
    assert words in said


def test_a_bad_validation_file_is_named_in_training(run_tool, own_data, tmp_path):
    path = file(own_data, VAL_LABELS, 1)
    WRONG_SIZE(path)
    args = ['--work-dir', 'w', '--cfg-options', *SHORT, 'default_hooks.checkpoint.interval=1']
    said = run_tool('train.py', TOY, *args).mistake
    assert f'{path}: the label is 48 x 96' in said
    assert (tmp_path / 'w/iter_1.pth').is_file()  # what was trained is kept
    assert not list((tmp_path / 'w').rglob('*.part'))


def test_labels_of_more_than_8_bits_are_told_before_they_wrap_around(refused, own_data):
    path = file(own_data, LABELS, 0)
    WIDE(path)
    said = refused('train.py', TOY, '--cfg-options', *ALL)
    assert f'{path}: the label has ids above 255 (16 bits or more)' in said


@pytest.mark.parametrize('folder', [IMAGES, TARGET, VAL_IMAGES])
def test_an_empty_folder_is_named(refused, own_data, folder):
    for path in (own_data / folder).iterdir():
        path.unlink()
    said = refused('train.py', TOY, '--cfg-options', *ALL)
    assert folder.split('/toy')[0] in said
    assert 'make toy' in said


@pytest.mark.parametrize('folder', [LABELS, 'cityscapes/leftImg8bit', 'cityscapes/gtFine/val'])
def test_a_missing_folder_is_named(refused, own_data, folder):
    shutil.rmtree(own_data / folder)
    said = refused('train.py', TOY, '--cfg-options', *ALL)
    assert f'{own_data / folder}' in said
    assert 'no such folder' in said


def test_a_file_in_the_place_of_a_folder_is_told(refused, own_data):
    shutil.rmtree(own_data / LABELS)
    (own_data / LABELS).touch()
    said = refused('train.py', TOY, '--cfg-options', *ALL)
    assert f'{own_data / LABELS}: no such folder' in said


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'\xff\xfe\x00\x01', 'cannot be read as a list of images'),
        (b'', 'the list of images is empty'),
        (b'00001.png\n', 'no image 00001.png.png'),
    ],
)
def test_a_bad_list_is_named(refused, own_data, content, words):
    (own_data / 'gta/train.txt').write_bytes(content)
    said = refused('train.py', TOY, '--cfg-options', *ALL)
    assert words in said
    assert 'gta' in said


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
@pytest.mark.parametrize('name', ['gta/train.txt', 'gta/labels/00001_labelTrainIds.png'])
def test_a_file_without_permission_is_named(run_tool, own_data, name):
    (own_data / name).chmod(0)
    assert name in run_tool('train.py', TOY, '--cfg-options', *ALL).mistake


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ('source.img_suffix=.jpg', 'no image 00001.jpg'),
        ('source.seg_map_suffix=_gt.png', '00001_gt.png: no such label'),
        ('target.img_suffix=.tif', "no image that ends in '.tif'"),
        ('source.data_prefix.img_path=pictures', 'gta/pictures: no such folder'),
        ('source.ann_file=labels', 'gta/labels: no such list of images'),
        ('source.data_prefix.seg_map_path=None', 'set seg_map_path'),
        ('source.data_prefix=images', "data_prefix is 'images', not a dict"),
        ('source.data_root=3', 'data_root is 3'),
    ],
)
def test_a_wrong_name_in_the_config_is_told(refused, own_data, option, words):
    said = refused('train.py', TOY, '--cfg-options', *ALL, f'train_dataloader.dataset.{option}')
    assert words in said


def test_labels_are_not_looked_for_in_the_image_folder(refused, own_data, tmp_path):
    """A labelled loader whose prefix forgets them reads none by chance."""
    source = "dict(data_prefix=dict(_delete_=True, img_path='images'))"
    (tmp_path / 'cfg.py').write_text(
        f'_base_ = {TOY!r}\ntrain_dataloader = dict(dataset=dict(source={source}))\n'
    )
    said = refused('train.py', 'cfg.py', '--cfg-options', *ALL)
    assert f'{own_data}/gta/images: its pipeline loads labels, but data_prefix names no' in said


def test_other_kinds_of_pictures_are_read(run_tool, own_data, tmp_path):
    """16 bits, grey, palette and alpha become three channels of 8 bits; lists may end in CRLF."""
    first = [file(own_data, IMAGES, n) for n in range(5)]
    rgb = np.asarray(Image.open(first[0]))
    Image.fromarray(rgb[..., 0]).save(first[0])
    Image.fromarray(rgb[..., 0].astype(np.uint16) * 256).save(first[1])
    Image.fromarray(np.dstack([rgb, rgb[..., :1]])).save(first[2])
    Image.fromarray(rgb).convert('P').save(first[3])
    Image.fromarray(rgb[..., 0]).convert('1').save(first[4])
    names = (own_data / 'gta/train.txt').read_text().split()
    (own_data / 'gta/train.txt').write_bytes('\r\n'.join(names).encode())
    assert run_tool('train.py', TOY, '--work-dir', 'w', '--cfg-options', *ALL).code == 0
