"""Which data sets the doctor finds, and how it reads their images."""

import cv2
import numpy as np
import pytest
from doctor_data import both, config, wrapped
from PIL import Image

from mmseg_da.doctor.appearance import class_colours, image_of, labels_of
from mmseg_da.doctor.domains import crop_of, domains_of
from mmseg_da.doctor.pictures import copies, look_at
from mmseg_da.doctor.visit import Visit


def test_repeated_training_data_are_looked_at_once(data):
    repeated = wrapped(data('train', 3, 0))
    found, said = domains_of(config(repeated, data('val', 2, 1)))
    assert [str(each) for each in said if each.level != 'good'] == []
    assert [(each.name, len(each.images)) for each in found] == [('training', 3), ('validation', 2)]
    assert crop_of(found[0]) == (8, 8)
    assert found[0].pixels.sum() == 3 * 16 * 24
    look, said = look_at(found[0], 9, 1)
    assert [each.text for each in said] == ['training: images of 16 x 24 (height x width)']
    assert len(look.features) == 3


@pytest.mark.parametrize('several', [False, True])
def test_sources_keep_their_names_and_tables(data, several):
    source = [data('a', 3, 0), data('b', 2, 1)] if several else wrapped(data('a', 3, 0))
    found, said = domains_of(config(both(source, data('c', 4, 2))))
    assert [str(each) for each in said if each.level != 'good'] == []
    names = ['source 0', 'source 1', 'target'] if several else ['source', 'target']
    assert [each.name for each in found] == names
    assert found[0].partners.tolist() == [0, 1]


def test_a_loader_that_is_none_is_left_out(data):
    cfg = config(data('a', 1, 0))
    cfg.val_dataloader = 3
    assert [each.name for each in domains_of(cfg)[0]] == ['training']
    cfg.train_dataloader = dict(dataset='x')
    assert domains_of(cfg) == ([], [])


def test_a_data_set_that_cannot_be_made_is_told():
    _, (said,) = domains_of(config(dict(type='BaseSegDataset', data_root='no', indices=object())))
    assert said.level == 'bad'
    assert said.text.startswith('training data: ')


def test_validation_on_the_training_source_is_found(data):
    source = data('source', 7, 0)
    found, _ = domains_of(config(both(source, data('target', 3, 1)), source))
    (said,) = copies(found)
    assert said.level == 'warning'
    assert 'source/img/0.png (source and validation); ' in said.text
    assert ', and 2 more: scores are too high' in said.text


def test_the_same_file_and_a_copy_are_both_found(data, tmp_path):
    source, val = data('source', 2, 0), data('val', 2, 1)
    (tmp_path / 'val/img/1.png').write_bytes((tmp_path / 'source/img/0.png').read_bytes())
    (said,) = copies(domains_of(config(both(source, data('target', 2, 2)), val))[0])
    assert 'source/img/0.png (source) and ' in said.text
    assert 'val/img/1.png (validation): scores' in said.text
    assert copies(domains_of(config(source, data('other', 2, 3)))[0]) == []


def domain_of(data, name='a', **changes):
    (found,), _ = domains_of(config(data(name, 2, 0) | changes))
    return found


def test_images_of_16_bits_are_seen_as_a_training_sees_them(data, tmp_path):
    domain = domain_of(data)
    rgb = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    for number in range(2):
        deep = rgb[..., ::-1].astype(np.uint16) * 257
        assert cv2.imwrite(str(tmp_path / f'a/img/{number}.png'), deep)
    assert image_of(domain, 0).tolist() == rgb.tolist()
    assert look_at(domain, 9, 1)[0].mean == pytest.approx(rgb.mean(axis=(0, 1)), abs=3)
    labels = [labels_of(domain, number) for number in range(2)]
    seen = [(rgb[::4, ::4], ids[::4, ::4]) for ids in labels]
    pixels = np.concatenate([image[ids == 1] for image, ids in seen])
    assert class_colours(domain)[1] == pytest.approx(pixels.mean(axis=0))


def test_images_are_turned_as_their_exif_data_says(data, tmp_path):
    domain = domain_of(data)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    file = tmp_path / 'a/img/0.png'
    Image.open(file).transpose(Image.Transpose.ROTATE_90).save(file, exif=exif)
    with Image.open(file) as stored:
        assert stored.size == (16, 24)
    assert image_of(domain, 0).shape == (16, 24, 3)
    look, _ = look_at(domain, 9, 1)
    assert dict(look.sizes) == {(16, 24): 2}


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.jp2'])
def test_a_file_that_is_no_picture_is_named(data, tmp_path, suffix):
    domain = domain_of(data)
    file = tmp_path / f'a/img/x{suffix}'
    file.write_text('no picture')
    domain.images.append(str(file))
    look, said = look_at(domain, 9, 1)
    assert len(look.features) == 2
    assert said[0].level == 'bad'
    assert f'{file}: ' in said[0].text


def test_class_names_are_drawn_as_they_are(data, tmp_path):
    found, _ = domains_of(config(data('a', 2, 0)))
    visit = Visit('c.py', domains=found)
    visit.looks = {found[0].name: look_at(found[0], 9, 1)[0]}
    visit.page().write(tmp_path / 'page.html')
    assert 'cost $x_{$' in (tmp_path / 'page.html').read_text()
