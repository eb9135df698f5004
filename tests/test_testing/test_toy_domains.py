import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from mmseg.datasets import CityscapesDataset
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmseg_da.datasets.conversion import to_train_ids
from mmseg_da.datasets.gta import GTADataset
from mmseg_da.errors import UserError
from mmseg_da.testing import toy_domains
from mmseg_da.testing.toy_domains import make_toy_domains
from mmseg_da.testing.toy_scenes import CAMERA, GAME, render

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'make_toy_domains.py'
CLASSES = [7, 8, 11, 17, 20, 21, 22, 23, 24, 26]
TRAIN, VAL = 5, 2
PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': LoadAnnotations}]


@pytest.fixture(scope='module')
def toy(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'toy'
    assert make_toy_domains(out, TRAIN, VAL)
    return out


@pytest.fixture(scope='module')
def scenes():
    """Images (N, 96, 192, 3) and ids (N, 96, 192) of each domain."""
    drawn = {}
    for style in (GAME, CAMERA):
        images, ids = zip(*(render(style, (5, n)) for n in range(12)), strict=True)
        drawn[style is GAME] = np.stack(images), np.stack(ids)
    return drawn[True], drawn[False]


def files(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob('*') if p.is_file()}


def frequencies(ids):
    return np.bincount(ids.ravel(), minlength=256)[CLASSES] / ids.size


def test_layouts_are_those_of_gta_and_cityscapes(toy):
    names = set(files(toy))
    expected = {'toy.json', 'gta/train.txt', 'gta/val.txt'}
    expected |= {'cityscapes/train.txt', 'cityscapes/val.txt'}
    for n in range(1, TRAIN + 2):
        expected |= {f'gta/images/{n:05d}.png', f'gta/labels/{n:05d}.png'}
        expected.add(f'gta/labels/{n:05d}_labelTrainIds.png')
    for split, city, count in (('train', 'toyburg', TRAIN), ('val', 'toyville', VAL)):
        for n in range(count):
            stem = f'{split}/{city}/{city}_{n:06d}_000019'
            expected.add(f'cityscapes/leftImg8bit/{stem}_leftImg8bit.png')
            expected.add(f'cityscapes/gtFine/{stem}_gtFine_labelIds.png')
            expected.add(f'cityscapes/gtFine/{stem}_gtFine_labelTrainIds.png')
    assert names == expected


def test_gta_labels_are_palette_images(toy):
    with Image.open(toy / 'gta/labels/00001.png') as label:
        assert label.mode == 'P'
        ids, colours = np.asarray(label), np.asarray(label.convert('RGB'))
    assert set(np.unique(ids)) <= set(CLASSES)
    palette = CityscapesDataset.METAINFO['palette']
    for label in np.unique(ids):
        expected = palette[to_train_ids(label)]
        assert np.unique(colours[ids == label], axis=0).tolist() == [expected]


def test_train_ids_match_the_ids(toy):
    sources = [*toy.glob('gta/labels/?????.png'), *toy.rglob('*_labelIds.png')]
    assert len(sources) == 2 * TRAIN + 1 + VAL
    for source in sources:
        name = f'{source.name.removesuffix(".png").removesuffix("_labelIds")}_labelTrainIds.png'
        train_ids = np.asarray(Image.open(source.with_name(name)))
        np.testing.assert_array_equal(train_ids, to_train_ids(np.asarray(Image.open(source))))


@pytest.mark.parametrize(('split', 'count'), [('train', TRAIN), ('val', 1)])
def test_gta_dataset_loads_the_source(toy, split, count):
    dataset = GTADataset(
        data_root=str(toy / 'gta'),
        ann_file=f'{split}.txt',
        data_prefix={'img_path': 'images', 'seg_map_path': 'labels'},
        pipeline=PIPELINE,
    )
    assert len(dataset) == count
    sample = dataset[0]
    assert sample['img'].shape == (96, 192, 3)
    assert set(np.unique(sample['gt_seg_map'])) <= {0, 1, 2, 5, 7, 8, 9, 10, 11, 13}


@pytest.mark.parametrize(('split', 'count'), [('train', TRAIN), ('val', VAL)])
def test_cityscapes_dataset_loads_the_target(toy, split, count):
    dataset = CityscapesDataset(
        data_root=str(toy / 'cityscapes'),
        data_prefix={'img_path': f'leftImg8bit/{split}', 'seg_map_path': f'gtFine/{split}'},
        pipeline=PIPELINE,
    )
    assert len(dataset) == count
    sample = dataset[0]
    assert sample['img'].shape == (96, 192, 3)
    assert sample['gt_seg_map'][-1, 96] == 255  # the own bonnet
    assert set(np.unique(sample['gt_seg_map'])) <= {0, 1, 2, 5, 7, 8, 9, 10, 11, 13, 255}


def test_same_seed_gives_the_same_bytes(toy, tmp_path):
    make_toy_domains(tmp_path / 'toy', TRAIN, VAL)
    assert files(tmp_path / 'toy') == files(toy)


def test_images_do_not_depend_on_how_many_there_are(toy, tmp_path):
    make_toy_domains(tmp_path / 'toy', 2, 1)
    few, many = files(tmp_path / 'toy'), files(toy)
    shared = [name for name in few if 'toyville' in name or 'toyburg' in name or '00002' in name]
    assert len(shared) == 3 * (1 + 2 + 1)
    assert all(few[name] == many[name] for name in shared)


def test_seeds_and_images_differ(toy, tmp_path):
    make_toy_domains(tmp_path / 'toy', 1, 1, seed=1)
    seed_1, seed_0 = files(tmp_path / 'toy'), files(toy)
    images = [name for name in seed_1 if '/images/' in name or '/leftImg8bit/' in name]
    assert len(images) == 4
    assert all(seed_1[name] != seed_0[name] for name in images)
    pictures = [seed_0[name] for name in seed_0 if '/images/' in name or '/leftImg8bit/' in name]
    assert len(set(pictures)) == len(pictures)


def test_domains_look_different(scenes):
    (game, _), (camera, _) = scenes

    def brightness(images):
        return images.mean()

    def saturation(images):
        return (np.ptp(images.astype(int), axis=-1)).mean()

    def grain(images):
        return np.abs(np.diff(images.astype(int)[:, :20], axis=2)).mean()

    assert brightness(game) > brightness(camera) + 25
    assert saturation(game) > 2 * saturation(camera)
    assert camera.std() < 0.8 * game.std()
    assert grain(camera) != pytest.approx(grain(game), rel=0.1)


@pytest.mark.parametrize('label', [7, 8, 11, 21, 23])
def test_every_large_class_changes_its_colour(scenes, label):
    (game, game_ids), (camera, camera_ids) = scenes
    distance = game[game_ids == label].mean(0) - camera[camera_ids == label].mean(0)
    assert np.linalg.norm(distance) > 30


def test_domains_share_classes_and_places(scenes):
    (_, game), (_, camera) = scenes
    assert frequencies(game).sum() == 1
    assert frequencies(game).min() > 0.004
    assert frequencies(camera).min() > 0.004
    assert np.minimum(frequencies(game), frequencies(camera)).sum() > 0.65
    for ids in (game, camera):
        assert (ids[:, 60:] == 23).sum() == (ids[:, :30] == 7).sum() == 0  # sky above, road below
        assert (ids[:, 65:85, 80:112] == 7).mean() > 0.4


def test_present_domains_are_left_alone(toy):
    before = {path: path.stat().st_mtime_ns for path in toy.rglob('*')}
    assert make_toy_domains(toy, TRAIN, VAL) is False
    assert {path: path.stat().st_mtime_ns for path in toy.rglob('*')} == before


def test_other_settings_or_a_lost_file_draw_again(tmp_path):
    out = tmp_path / 'toy'
    make_toy_domains(out, 2, 1)
    assert make_toy_domains(out, 1, 1)
    assert json.loads((out / 'toy.json').read_text())['train'] == 1
    assert len(list(out.glob('gta/images/*'))) == 2
    (out / 'gta/images/00001.png').unlink()
    assert make_toy_domains(out, 1, 1)
    assert (out / 'gta/images/00001.png').is_file()
    assert [p.name for p in tmp_path.iterdir()] == ['toy']


def test_other_folders_are_refused(tmp_path):
    (tmp_path / 'mine').write_text('precious')
    with pytest.raises(UserError, match='was not made by this tool'):
        make_toy_domains(tmp_path, 1, 1)
    assert files(tmp_path) == {'mine': b'precious'}


def test_no_images_are_refused(tmp_path):
    with pytest.raises(UserError, match='at least one image'):
        make_toy_domains(tmp_path / 'toy', 0, 1)


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def fail(style, seed):
        if seed[-1] == 1:
            raise KeyboardInterrupt
        return render(style, seed)

    out = tmp_path / 'toy'
    make_toy_domains(out, 1, 1)
    before = files(tmp_path)
    monkeypatch.setattr(toy_domains, 'render', fail)
    with pytest.raises(KeyboardInterrupt):
        make_toy_domains(out, 2, 1)
    assert files(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == ['toy']


def test_tool_draws_once_into_the_data_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path))
    monkeypatch.setattr(sys, 'argv', ['make_toy_domains.py', '--train', '1', '--val', '1'])
    runpy.run_path(str(TOOL), run_name='__main__')
    assert capsys.readouterr().out == f'{tmp_path}/toy is ready\n'
    runpy.run_path(str(TOOL), run_name='__main__')
    assert 'is already there' in capsys.readouterr().out
    monkeypatch.setattr(sys, 'argv', ['make_toy_domains.py', str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert stop.value.code == 2
    assert f'error: {tmp_path} exists' in capsys.readouterr().err
