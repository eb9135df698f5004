"""A folder of images in another look: what is written, skipped, refused and left by a failure."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from translation_helpers import Function

from mmseg_da.engine.image_translation import ImageTranslation
from mmseg_da.engine.translation import translate_folder
from mmseg_da.engine.translation_output import STAMP, Places
from mmseg_da.errors import UserError
from mmseg_da.models import Translator


@pytest.fixture
def source(tmp_path):
    for number in range(5):
        path = tmp_path / f'in/{"ab"[number % 2]}/{number}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 9 + number // 4, 3), 10 * number, np.uint8)).save(path)
    return tmp_path / 'in'


def run(source, translator, **options):
    places = Places(source, source.parent / 'out')
    translation = ImageTranslation(translator)
    settings = dict(weights='x')
    return translate_folder(translation, places, settings, show_progress=False, **options)


def colours(folder):
    found = {}
    for path in sorted(folder.rglob('*.png')):
        with Image.open(path) as image:
            found[str(path.relative_to(folder))] = np.asarray(image)[0, 0].tolist()
    return found


def test_images_of_one_size_go_together(source):
    fake = Function(lambda pixels: pixels + 1)
    assert run(source, fake, batch_size=3) == [f'5 images are in {source.parent}/out']
    assert fake.seen == [(2, 3, 8, 9), (1, 3, 8, 10), (2, 3, 8, 9)]  # a/0 a/2 | a/4 | b/1 b/3
    expected = {f'{"ab"[n % 2]}/{n}.png': [10 * n + 1] * 3 for n in range(5)}
    assert colours(source.parent / 'out') == expected


def test_a_translator_gets_target_pixels(source):
    class Mean(Translator):
        def translate(self, pixels, target):
            return torch.zeros_like(pixels) + target.mean(dim=(0, 2, 3))[:, None, None]

    def targets(names, size):
        assert size == (8, 9 + int(names[0].stem) // 4)
        number = float(names[0].stem)
        return torch.tensor([number, 7.0, 9.0]).view(1, 3, 1, 1)

    run(source, Mean(), targets=targets)
    expected = {f'{"ab"[n % 2]}/{n}.png': [n, 7, 9] for n in range(5)}
    assert colours(source.parent / 'out') == expected


def test_a_run_goes_on_with_the_batches_that_it_had(source):
    run(source, Function(), batch_size=2)
    out = source.parent / 'out'
    (out / 'b/1.png').unlink()  # of the second batch, whose a/4 is another size
    (out / 'a/2.png').unlink()
    kept = (out / 'a/0.png').stat()
    again = Function()
    assert run(source, again, batch_size=2)[0].endswith(', 3 of which were there already')
    assert again.seen == [(2, 3, 8, 9), (1, 3, 8, 10), (1, 3, 8, 9)]
    assert (out / 'a/0.png').stat() == kept
    assert len(colours(out)) == 5


def test_an_image_that_is_newer_is_translated_again(source):
    run(source, Function())
    Image.new('RGB', (4, 4), (1, 2, 3)).save(source / 'a/0.png')
    os.utime(source / 'a/0.png', (4e9, 4e9))
    run(source, Function())
    assert colours(source.parent / 'out')['a/0.png'] == [1, 2, 3]


def test_a_bad_image_has_no_output_and_the_others_do(source):
    run(source, Function())
    (source / 'a/2.png').write_bytes(b'no image')
    os.utime(source / 'a/2.png', (4e9, 4e9))
    (source.parent / 'out/b/1.png').unlink()
    with pytest.raises(UserError) as error:
        run(source, Function(), batch_size=5)
    assert str(error.value).startswith('1 of 5 images were not translated')
    assert f'\n  {source}/a/2.png cannot be read' in str(error.value)
    assert list(colours(source.parent / 'out')) == ['a/0.png', 'a/4.png', 'b/1.png', 'b/3.png']


def test_a_disk_that_fails_is_told_and_nothing_is_half_written(source, monkeypatch):
    def full(path, content):
        raise OSError(28, 'No space left on device', str(path))

    run(source, Function())
    (source.parent / 'out/b/3.png').unlink()
    monkeypatch.setattr('mmseg_da.engine.translation.write_atomically', full)
    with pytest.raises(UserError, match=r'out: cannot be written .*No space left.*goes on where'):
        run(source, Function())
    left = sorted(path.name for path in (source.parent / 'out').rglob('*.*'))
    assert left == ['0.png', '1.png', '2.png', '4.png', STAMP]


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_force_leaves_nothing_of_the_other_run(source, suffix):
    out = source.parent / 'out'
    run(source, Function(), suffix='.jpg')
    (out / 'mine.png').touch()
    with pytest.raises(UserError, match=r'another translation \(suffix: .jpg, now None\)'):
        run(source, Function())
    run(source, Function(lambda pixels: pixels + 1), force=True)
    left = sorted(str(path.relative_to(out)) for path in out.rglob('*.*'))
    assert left == [*('a/0.png', 'a/2.png', 'a/4.png', 'b/1.png', 'b/3.png', 'mine.png'), STAMP]


def test_a_folder_of_somebody_else_is_left_alone(source):
    out = source.parent / 'out'
    (out / 'a').mkdir(parents=True)
    (out / 'a/0.png').write_bytes(b'precious')
    with pytest.raises(UserError, match=r'not empty, and no translation of this tool.*--force'):
        run(source, Function())
    assert (out / 'a/0.png').read_bytes() == b'precious'
    assert [path.name for path in out.iterdir()] == ['a']


@pytest.mark.parametrize(
    ('source', 'out', 'labels', 'problem'),
    [
        ('nowhere', 'out', None, 'nowhere: no such folder'),
        ('file', 'out', None, 'file: is no folder'),
        ('in', 'in/out', None, 'lie in one another'),
        ('in', 'in', None, 'lie in one another'),
        ('in/a', 'in', None, 'lie in one another'),
        ('in', 'link/new', None, 'lie in one another'),
        ('in/a', 'in/b/out', 'in/b', 'lie in one another'),
        ('in', 'file/out', None, 'OUT: cannot write to'),
        ('in', 'out', 'nowhere', '--labels nowhere: no such folder'),
        ('in', 'out', 'in', '--labels in: is the folder of the images'),
        ('in', 'out', 'empty', '--labels empty: holds no file'),
    ],
)
def test_folders_that_do_not_go_together(tmp_path, monkeypatch, source, out, labels, problem):
    monkeypatch.chdir(tmp_path)
    for name in ('in/a', 'in/b', 'empty'):
        Path(name).mkdir(parents=True)
    Path('in/b/x.png').touch()
    Path('file').touch()
    Path('link').symlink_to('in')
    with pytest.raises(UserError, match=problem):
        Places(Path(source), Path(out), labels and Path(labels))


@pytest.mark.parametrize(
    ('source', 'labels', 'images_out', 'labels_out'),
    [
        ('d/images', 'd/labels', 'out/images', 'out/labels'),
        ('d', 'd/labels', 'out', 'out/labels'),
        ('d/leftImg8bit/train', 'd/gtFine/train', 'out/leftImg8bit/train', 'out/gtFine/train'),
        ('d/RGB', 'd/GT/LABELS', 'out/RGB', 'out/GT/LABELS'),
    ],
)
def test_the_layout_is_kept(tmp_path, source, labels, images_out, labels_out):
    for name in (source, labels):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / labels / 'x.png').touch()
    places = Places(tmp_path / source, tmp_path / 'out', tmp_path / labels)
    assert (places.images_out, places.labels_out) == (tmp_path / images_out, tmp_path / labels_out)
