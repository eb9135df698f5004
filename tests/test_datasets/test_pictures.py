"""Pictures of all kinds: what is read as RGB and what is refused; names, lists and outputs."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_da.datasets.pictures import (
    ALPHA_DROPPED,
    CONVERTED,
    encode_rgb,
    files_below,
    find_pictures,
    lists_of,
    output_names,
    read_rgb,
    tell_conversions,
)
from mmseg_da.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
DEEP = RGB.astype(np.uint16) * 257


@pytest.fixture
def folder(tmp_path):
    for name in ('b/2.JPG', 'b/1.png', 'a.bmp', 'notes.txt', '.hidden.png', '.git/x.png', 'c/3.md'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_pictures_are_found_below_and_in_order(folder):
    assert list(map(str, find_pictures(folder))) == ['a.bmp', 'b/1.png', 'b/2.JPG']
    assert list(map(str, find_pictures(folder, without=folder / 'b'))) == ['a.bmp']
    with pytest.raises(UserError, match=r'c: holds no image \(.png'):
        find_pictures(folder / 'c')


def test_links_are_followed_but_not_in_circles(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp('other')
    (other / '9.png').touch()
    (folder / 'b/link').symlink_to(other)
    (folder / 'b/up').symlink_to(folder)
    found = [name for name in files_below(folder) if name.suffix == '.png']
    assert list(map(str, found)) == ['b/1.png', 'b/link/9.png']


def test_output_names():
    names = list(map(Path, ('a.bmp', 'b/1.png', 'b/2.JPG', 'c.v2.tif')))
    own = ['a.png', 'b/1.png', 'b/2.JPG', 'c.v2.png']
    assert output_names(names) == dict(zip(names, map(Path, own), strict=True))
    assert list(map(str, output_names(names, '.jpg').values())) == [
        *('a.jpg', 'b/1.jpg', 'b/2.jpg', 'c.v2.jpg')
    ]


def test_two_pictures_cannot_have_one_output():
    with pytest.raises(UserError, match=r'^a.bmp and a.png would both be written to a.png'):
        output_names([Path('a.bmp'), Path('a.png')])


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.ppm', '.tif', '.webp'])
def test_colours_are_read_as_they_are(tmp_path, suffix):
    options = dict(lossless=True) if suffix == '.webp' else {}
    pixels, notice = read_rgb(save(tmp_path / f'x{suffix}', RGB, **options))
    assert (pixels.tolist(), notice) == (RGB.tolist(), None)


def test_a_jpeg_is_read_as_training_reads_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    path = save(tmp_path / 'x.jpg', np.full((8, 16, 3), (10, 200, 90), np.uint8), exif=exif)
    pixels, notice = read_rgb(path)
    assert (pixels.shape, notice) == ((16, 8, 3), None)
    np.testing.assert_array_equal(pixels, cv2.imread(str(path))[..., ::-1])


def grey(path):
    return save(path, RGB[..., 0]), np.repeat(RGB[..., :1], 3, -1)


def palette(path):
    image = Image.fromarray(RGB[..., 0] % 2)
    image.putpalette([1, 2, 3, 250, 251, 252])
    image.save(path)
    return path, np.where(RGB[..., :1] % 2, (250, 251, 252), (1, 2, 3))


def alpha(path):
    return save(path, np.dstack([RGB, RGB[..., 0]])), RGB


def grey_alpha(path):
    return save(path, RGB[..., :2]), np.repeat(RGB[..., :1], 3, -1)


@pytest.mark.parametrize(
    ('make', 'kind'),
    [
        (grey, CONVERTED),
        (palette, CONVERTED),
        (alpha, ALPHA_DROPPED),
        (grey_alpha, ALPHA_DROPPED),
    ],
)
def test_other_8_bit_pictures_are_converted_and_told(tmp_path, make, kind):
    path, expected = make(tmp_path / 'x.png')
    pixels, notice = read_rgb(path)
    assert (pixels.tolist(), notice) == (expected.tolist(), kind)


@pytest.mark.parametrize('pixels', [DEEP, DEEP[..., 0], np.dstack([DEEP, DEEP[..., 0]])])
@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_16_bits_are_refused(tmp_path, pixels, suffix):
    path = tmp_path / f'x{suffix}'
    assert cv2.imwrite(str(path), pixels)
    with pytest.raises(ValueError, match=r'^(has 16 bits|cannot be read)'):
        read_rgb(path)
    if suffix == '.png' or pixels.ndim == 2:
        with pytest.raises(ValueError, match='has 16 bits or more per channel'):
            read_rgb(path)


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_damage_is_seen(tmp_path, suffix):
    path = save(tmp_path / f'x{suffix}', np.repeat(np.repeat(RGB, 20, 0), 20, 1))
    content = path.read_bytes()
    damaged = [b'', b'no image', content[: len(content) // 2]]
    if suffix == '.png':
        for at in (len(content) // 2, len(content) - 13):  # the last one in a checksum alone
            damaged.append(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    for each in damaged:
        path.write_bytes(each)
        with pytest.raises(ValueError, match='cannot be read'):
            read_rgb(path)
    path.unlink()
    with pytest.raises(ValueError, match=r'cannot be read \(.*No such file'):
        read_rgb(path)


def test_a_png_is_lossless_and_a_jpeg_nearly():
    large = cv2.resize(RGB, (70, 50))
    for suffix, error in (('.png', 0), ('.PNG', 0), ('.jpg', 6), ('.jpeg', 6)):
        with Image.open(BytesIO(encode_rgb(large, suffix))) as image:
            difference = np.abs(np.asarray(image).astype(int) - large)
        assert difference.mean() <= error
        assert difference.any() == bool(error)


def test_lists_are_known_by_what_they_name(tmp_path):
    texts = dict(train='city/0001\ncity/0002\n', readme='Thanks\n', empty='', other='x/0001\n')
    for name, text in texts.items():
        (tmp_path / f'{name}.txt').write_text(text)
    (tmp_path / 'binary.txt').write_bytes(b'\xff\xfe\x00')
    pictures = [Path('images/city/0001_leftImg8bit.png'), Path('images/xx/0001.png')]
    assert lists_of(tmp_path, pictures) == [tmp_path / 'train.txt']


def test_conversions_are_told_once_per_kind():
    notices = {Path('a'): CONVERTED, Path('b'): ALPHA_DROPPED, Path('c'): CONVERTED}
    assert tell_conversions(notices) == [
        '2 images were not RGB (grey, palette, CMYK) and were converted, e.g. a',
        '1 images had an alpha channel, which was dropped, e.g. b',
    ]
