"""tools/browse_dataset.py draws what a training sees of each domain."""

import shutil

import numpy as np
import pytest
from mmseg.datasets import CityscapesDataset
from PIL import Image
from tool_helpers import TOY

PICTURES = ['--output-dir', 'pictures']


def pictures(folder):
    found = {}
    for path in sorted((folder / 'pictures').iterdir()):
        with Image.open(path) as image:
            found[path.name] = np.asarray(image).astype(int)
    return found


def original(path):
    with Image.open(path) as image:
        return np.asarray(image.convert('RGB')).astype(int)


@pytest.fixture
def whole(tmp_path):
    """A config of the toy domains that neither crops nor changes, with labels over nothing."""
    (tmp_path / 'whole.py').write_text(f"""
_base_ = '{TOY}'
load, pack = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
source = dict(pipeline=[load, dict(type='LoadAnnotations'), pack])
train_dataloader = dict(dataset=dict(source=source, target=dict(pipeline=[load, pack])))
visualizer = dict(alpha=1.0)
""")
    return 'whole.py'


@pytest.mark.stack
def test_the_source_is_drawn_with_labels(run_tool, toy_data, tmp_path, whole):
    done = run_tool('browse_dataset.py', whole, *PICTURES)
    assert (done.code, done.out.splitlines()[-1]) == (0, '6 images of the source in pictures')
    assert '100%' in done.err
    drawn = pictures(tmp_path)
    assert list(drawn) == [f'0000{number}.png' for number in range(1, 7)]
    palette = np.array(CityscapesDataset.METAINFO['palette'] + [[0, 0, 0]] * 237)
    for name, image in drawn.items():
        with Image.open(
            toy_data / f'toy/gta/labels/{name.replace(".", "_labelTrainIds.")}'
        ) as label:
            expected = palette[np.asarray(label)]
        same = (image == expected).all(axis=-1)
        assert 0.6 < same.mean() < 1  # but for the names of the classes


@pytest.mark.stack
def test_the_target_is_drawn_as_it_is_and_its_labels_are_not_read(
    run_tool, toy_data, tmp_path, whole, monkeypatch
):
    shutil.copytree(toy_data, tmp_path / 'data')
    shutil.rmtree(tmp_path / 'data/toy/cityscapes/gtFine')
    shutil.rmtree(tmp_path / 'data/toy/gta')
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'data'))
    done = run_tool('browse_dataset.py', whole, '--domain', 'target', *PICTURES)
    assert done.code == 0, done.err
    assert len(pictures(tmp_path)) == 6
    for name, image in pictures(tmp_path).items():
        (path,) = (tmp_path / 'data/toy/cityscapes/leftImg8bit/train').rglob(name)
        np.testing.assert_array_equal(image, original(path))


def test_pictures_are_those_of_the_pipeline(run_tool, toy_data, tmp_path):
    flip = 'train_dataloader.dataset.target.pipeline.1.prob=1.0'
    run_tool('browse_dataset.py', TOY, '--domain', 'target', *PICTURES, '--cfg-options', flip)
    for name, image in pictures(tmp_path).items():
        (path,) = (toy_data / 'toy/cityscapes/leftImg8bit/train').rglob(name)
        np.testing.assert_array_equal(image, original(path)[:, ::-1])


def test_images_of_one_name_are_all_kept(run_tool, tmp_path):
    source = dict(type='BaseSegDataset', data_prefix=dict(img_path='img'), img_suffix='.png')
    source['pipeline'] = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
    source['metainfo'] = dict(classes=('a',), palette=[[1, 2, 3]])
    folders = [dict(source, data_root=str(tmp_path / name)) for name in ('Rio', 'Rome')]
    for value, name in enumerate(('Rio', 'Rome')):
        (tmp_path / name / 'img').mkdir(parents=True)
        Image.new('RGB', (5, 4), (value, 7, 9)).save(tmp_path / name / 'img/same.png')
    dataset = dict(type='ConcatDataset', datasets=folders)
    (tmp_path / 'mine.py').write_text(f'train_dataloader = dict(dataset={dataset!r})')
    assert run_tool('browse_dataset.py', 'mine.py', *PICTURES).code == 0
    drawn = pictures(tmp_path)
    assert {name: image[0, 0].tolist() for name, image in drawn.items()} == {
        'same.png': [0, 7, 9],
        '000001_same.png': [1, 7, 9],
    }


def test_fewer_images_by_an_option(run_tool, tmp_path):
    args = ['--not-show', '--cfg-options', 'train_dataloader.dataset.source.indices=2']
    done = run_tool('browse_dataset.py', TOY, *PICTURES, *args)
    assert '2 images of the source' in done.out
    assert len(pictures(tmp_path)) == 2


def test_not_show_runs_the_pipeline_and_writes_nothing(run_tool, tmp_path):
    done = run_tool('browse_dataset.py', TOY, '--not-show', '--domain', 'target')
    assert (done.code, done.out.splitlines()[-1]) == (0, '6 images of the target')
    assert list(tmp_path.iterdir()) == []


def test_without_a_display_it_says_what_to_do(run_tool, tmp_path, monkeypatch):
    monkeypatch.setattr('matplotlib.pyplot.get_backend', lambda: 'agg')
    said = run_tool('browse_dataset.py', TOY).mistake
    assert said.startswith('error: there is no display: give --output-dir')


def test_an_image_that_cannot_be_read_is_named(run_tool, toy_data, tmp_path, monkeypatch):
    shutil.copytree(toy_data, tmp_path / 'data')
    (tmp_path / 'data/toy/gta/images/00003.png').write_bytes(b'no image')
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'data'))
    said = run_tool('browse_dataset.py', TOY, *PICTURES).mistake
    assert 'toy/gta/images/00003.png: is no image' in said
    assert list(pictures(tmp_path)) == ['00001.png', '00002.png']


@pytest.mark.parametrize(
    ('args', 'problem'),
    [
        (['nowhere.py'], 'nowhere.py: no such config file'),
        ([TOY, '--output-dir', 'file/x'], '--output-dir: cannot write to'),
        ([TOY, '--cfg-options', 'train_dataloader.dataset.source.type=None_'], 'None_'),
        ([TOY, '--cfg-options', 'train_dataloader=None'], 'no train_dataloader.dataset to browse'),
        (
            [TOY, '--cfg-options', 'train_dataloader.dataset.source.data_root=x'],
            'x/images: no such',
        ),
    ],
)
def test_mistakes_are_told_in_one_message(run_tool, tmp_path, args, problem):
    (tmp_path / 'file').touch()
    assert problem in run_tool('browse_dataset.py', *args, '--not-show').mistake
