"""Labelling a folder in two passes: what is written, and that an interruption changes nothing."""

import json
import shutil

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from labelling_helpers import (
    BALANCED,
    CLASSES,
    FDA,
    SIZE,
    images_of,
    labels_of,
    predict,
    write_images,
    written,
)
from PIL import Image
from rank_helpers import free_port, start_rank

from mmseg_da.datasets.pseudo_labels import read_prediction
from mmseg_da.engine import pseudo_labels
from mmseg_da.errors import UserError

COUNT = 5
every_rule = pytest.mark.parametrize('rule', [FDA, BALANCED], ids=lambda each: each['type'])


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    write_images(folder, COUNT)
    return folder


def predictions(root):
    images = images_of(root)
    return {
        images.image_path(i).split('target/')[1]: predict(images[i]).numpy()
        for i in range(len(images))
    }


def read(folder, name):
    with Image.open(folder / 'labels' / name) as picture:
        return np.asarray(picture)


def test_labels_are_those_of_sorting_all_pixels(root, tmp_path):
    assert labels_of(root, tmp_path).run()
    predicted = predictions(root)
    joint = np.stack(list(predicted.values()), axis=1)
    confidence, labels = joint.max(axis=0), joint.argmax(axis=0)
    least = []
    for label in range(3):
        own = np.sort(confidence[labels == label])
        least.append(min(0.9, own[int(np.round(0.66 * len(own)))]))
    for name, each in predicted.items():
        expected = each.argmax(axis=0)
        sure = each.max(axis=0) - np.array(least)[expected]
        ours = read(tmp_path, name)
        clear = np.abs(sure) > 1 / 65536
        assert clear.mean() > 0.98
        assert (ours == np.where(sure >= 0, expected, 255))[clear].all()
    report = json.loads((tmp_path / 'thresholds.json').read_text())
    assert list(report['classes']) == list(CLASSES)
    assert sum(each['pixels'] for each in report['classes'].values()) == COUNT * SIZE[0] * SIZE[1]
    for label, each in enumerate(report['classes'].values()):
        assert abs(each['least'] - least[label]) <= 1 / 65536
        kept = [(read(tmp_path, name) == label).sum() for name in predicted]
        assert each['kept'] == pytest.approx(sum(kept) / each['pixels'], abs=1e-6)


def test_balanced_labels_are_cbsts(root, tmp_path):
    assert labels_of(root, tmp_path, BALANCED).run()
    least = np.array(json.loads((tmp_path / 'thresholds.json').read_text())['bins']) / 65536
    relabelled = 0
    for name, each in predictions(root).items():
        relative = each / least[:, None, None].astype(np.float32)
        expected = np.where(relative.max(axis=0) >= 1, relative.argmax(axis=0), 255)
        ours = read(tmp_path, name)
        assert (ours == expected).all()
        relabelled += ((ours != each.argmax(axis=0)) & (ours != 255)).sum()
    assert relabelled > 10  # rare classes win pixels


def test_files_lie_as_the_images_do_and_nothing_else_is_left(root, tmp_path):
    labels_of(root, tmp_path / 'out').run()
    labels = [f'labels/town{i % 2}/{i}.png' for i in range(COUNT)]
    assert set(written(tmp_path)) == {
        f'out/{n}' for n in (*labels, 'settings.json', 'thresholds.json')
    }
    assert not (tmp_path / 'out/predictions').exists()
    with Image.open(tmp_path / 'out' / labels[0]) as picture:
        assert picture.mode == 'P'
        assert picture.getpalette()[3:6] == [0, 0, 255]


def interrupting(function, at, calls):
    """The function, which ends as Ctrl-C does at a call, before or after its work."""

    def interrupted(*args, **kwargs):
        calls.append(args)
        if len(calls) == at:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    return interrupted


@every_rule
@pytest.mark.parametrize(
    'place', ['predict', 'write_prediction', 'read_prediction', 'class_histogram', 'write_label']
)
def test_interrupted_anywhere_it_ends_with_the_same_files(root, tmp_path, monkeypatch, rule, place):
    labels_of(root, tmp_path / 'whole', rule).run()
    whole = written(tmp_path / 'whole')
    for at in (1, 3, COUNT):
        folder, calls = tmp_path / f'{place}_{at}', []
        with monkeypatch.context() as patch:
            others = {}
            if place == 'predict':
                others['predict'] = interrupting(predict, at, calls)
            else:
                original = getattr(pseudo_labels, place)
                patch.setattr(pseudo_labels, place, interrupting(original, at, calls))
            with pytest.raises(KeyboardInterrupt):
                labels_of(root, folder, rule, **others).run()
        assert len(calls) == at
        assert not list(folder.rglob('*.part'))
        labels_of(root, folder, rule).run()
        assert written(folder) == whole


def test_what_is_done_is_not_done_again(root, tmp_path, monkeypatch):
    calls = []
    stop = interrupting(predict, 4, calls)
    with pytest.raises(KeyboardInterrupt):
        labels_of(root, tmp_path, predict=stop).run()
    counted = []
    labels_of(root, tmp_path, predict=interrupting(predict, 0, counted)).run()
    assert len(counted) == COUNT - 3
    again = []
    labels_of(root, tmp_path, predict=interrupting(predict, 0, again)).run()
    assert again == []


def test_told_to_end_it_keeps_whole_files_and_goes_on_later(root, tmp_path, monkeypatch):
    labels_of(root, tmp_path / 'whole').run()

    class Told:
        told, answers = False, 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def asked(self, _):
            return self.told

    told, said = Told(), []

    def predict_and_tell(sample):
        told.told = True
        return predict(sample)

    with monkeypatch.context() as patch:
        patch.setattr(pseudo_labels, 'Preemption', lambda: told)
        work = labels_of(root, tmp_path / 'part', predict=predict_and_tell, tell=said.append)
        assert not work.run()
    assert len(list((tmp_path / 'part/predictions').rglob('*.png'))) == 1
    assert 'Told to end' in said[-1]
    assert labels_of(root, tmp_path / 'part').run()
    assert written(tmp_path / 'part') == written(tmp_path / 'whole')


def test_it_says_how_far_it_is(root, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(pseudo_labels, 'TELL_EVERY', 2)
    labels_of(root, tmp_path, tell=said.append).run()
    assert said[0] == 'Predicting: 2 of 5 images, 0:00:00 left'
    assert any(line.startswith('Choosing: 4 of 5 images') for line in said)
    assert any(line.startswith('sky: ') and ' pixels predicted, ' in line for line in said)
    assert said[-1] == f'5 pseudo labels are in {tmp_path / "labels"}'


def test_images_are_read_ahead_in_processes(root, tmp_path):
    labels_of(root, tmp_path / 'ahead', num_workers=2).run()
    labels_of(root, tmp_path / 'here').run()
    assert written(tmp_path / 'ahead') == written(tmp_path / 'here')


def _rank(rank, port, root, folder, rule):
    start_rank(rank, port)
    assert labels_of(root, folder, rule).run()
    dist.destroy_process_group()


@pytest.mark.slow
@every_rule
def test_two_processes_write_what_one_does(root, tmp_path, rule):
    labels_of(root, tmp_path / 'one', rule).run()
    mp.spawn(_rank, (free_port(), root, tmp_path / 'two', rule), nprocs=2)
    assert written(tmp_path / 'two') == written(tmp_path / 'one')


@pytest.mark.slow
def test_more_processes_than_images(tmp_path):
    write_images(tmp_path, 1)
    labels_of(tmp_path, tmp_path / 'one').run()
    mp.spawn(_rank, (free_port(), tmp_path, tmp_path / 'two', FDA), nprocs=2)
    assert written(tmp_path / 'two') == written(tmp_path / 'one')


@pytest.mark.parametrize(
    ('others', 'words'),
    [
        (dict(rule=FDA | dict(keep=0.66)), r'\(rule differ\)'),
        (dict(settings=dict(networks='y')), r'\(networks differ\)'),
    ],
)
def test_labels_of_other_settings_are_kept(root, tmp_path, others, words):
    labels_of(root, tmp_path).run()
    before = written(tmp_path)
    with pytest.raises(
        UserError, match=rf'{tmp_path}: holds pseudo labels of other settings {words}'
    ):
        labels_of(root, tmp_path, **others).run()
    assert written(tmp_path) == before


def test_a_folder_of_others_is_kept(root, tmp_path):
    (tmp_path / 'labels').mkdir()
    with pytest.raises(UserError, match='holds labels that are not of this tool'):
        labels_of(root, tmp_path).run()
    (tmp_path / 'settings.json').write_text('{')
    with pytest.raises(UserError, match=r'settings\.json: is damaged'):
        labels_of(root, tmp_path).run()
    (tmp_path / 'settings.json').write_text('[]')
    with pytest.raises(UserError, match=r'settings\.json: is damaged'):
        labels_of(root, tmp_path).run()


def test_a_network_that_diverged_is_told(root, tmp_path):
    with pytest.raises(UserError, match=r'town0/0\.png: a network predicts NaN here'):
        labels_of(root, tmp_path, predict=lambda sample: predict(sample) * torch.nan).run()


def test_a_damaged_prediction_is_told(root, tmp_path):
    stop = interrupting(predict, COUNT, [])
    with pytest.raises(KeyboardInterrupt):
        labels_of(root, tmp_path, predict=stop).run()
    done = sorted((tmp_path / 'predictions').rglob('*.png'))
    assert all(read_prediction(path)[0].shape == SIZE for path in done)
    done[0].write_bytes(b'')
    with pytest.raises(UserError, match='is missing or damaged'):
        labels_of(root, tmp_path).run()
    shutil.rmtree(tmp_path)
    assert labels_of(root, tmp_path).run()


def test_a_damaged_image_is_told_and_what_came_before_is_kept(tmp_path):
    write_images(tmp_path, 4)
    (tmp_path / 'target/town1/3.png').write_bytes(b'no picture')
    with pytest.raises(UserError, match=r'town1/3\.png: is no image'):
        labels_of(tmp_path, tmp_path / 'out').run()
    assert len(list((tmp_path / 'out/predictions').rglob('*.png'))) == 3


def test_a_full_disk_is_told(root, tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(pseudo_labels, 'write_label', no_room)
    with pytest.raises(
        UserError, match=r'cannot be written .*No space.*go on with the same command'
    ):
        labels_of(root, tmp_path).run()
    monkeypatch.undo()
    assert labels_of(root, tmp_path).run()
