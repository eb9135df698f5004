"""The doctor: each finding where it belongs, and none where all is well."""

import numpy as np
import pytest
from PIL import Image
from tool_helpers import ROOT, TOY

CYCADA = str(ROOT / 'configs/small/cycada_toy.py')
SOURCE, VALIDATION = 'gta', 'cityscapes/leftImg8bit/val'


@pytest.fixture
def doctor(own_data, run_tool, plainly_written):
    """Run the doctor on toy data that a test may damage; gives lines by level, and the rest."""

    def run(*options, config=TOY, more=()):
        done = run_tool(
            'doctor.py', config, '--nproc', 1, '--images', 30, *more,
            *(['--cfg-options', *options] if options else []),
        )  # fmt: skip
        lines = [line for line in done.out.splitlines() if ': ' in line]
        found = {level: [] for level in ('good', 'warning', 'bad')}
        for line in lines:
            level = line.split()[0].rstrip(':')
            if level in found:
                found[level].append(line)
        return done, found

    return run


def images(own_data, part):
    return sorted(path for path in (own_data / part).rglob('*') if path.suffix == '.png')


def test_a_sound_config_has_nothing_bad(doctor):
    done, found = doctor()
    assert done.code == 0
    assert found['bad'] == []
    assert all('machine' in line for line in found['warning'][:-1])  # no GPU here
    text = '\n'.join(found['good'])
    for said in (
        'settings are in order', 'source: 6 images', 'labels are not needed, and not read',
        'images of 96 x 192', 'mean colours (RGB) are', 'workers on',
    ):  # fmt: skip
        assert said in text


def test_the_page_shows_what_was_found(doctor, tmp_path):
    done, _ = doctor(more=['--out', 'page.html'])
    assert done.code == 0
    html = (tmp_path / 'page.html').read_text()
    for said in (
        'Appearance of each class',
        'Share of the labelled pixels',
        'together, at the largest',
    ):
        assert said in html
    assert html.count('<img ') >= 4 + 2 * 4 + 2
    again, _ = doctor(more=['--out', 'page.html'])
    assert '--force' in again.mistake


def test_every_stage_is_looked_at(doctor):
    done, found = doctor(config=CYCADA)
    assert done.code == 0
    for stage in ('source', 'translate', 'segment', 'align'):
        assert any(f'{stage}: about' in line for line in found['good'])


@pytest.mark.parametrize(
    ('options', 'level', 'said'),
    [
        (['train_cfg.max_iters=800'], 'warning', 'end at iteration 501, the training at 800'),
        (['train_cfg.max_iters=100'], 'warning', 'have not fallen when it ends'),
        (['optim_wrapper.discriminators=None'], 'bad', 'discriminators'),
        (
            ['model.objectives.adv_decode=None'],
            'bad',
            "configures ['discriminators', 'segmentor'], but",
        ),
        (['train_dataloader.batch_size=0'], 'bad', 'train_dataloader.batch_size is 0'),
        (['model.objectives.seg=3', 'optim_wrapper=x'], 'bad', 'model.objectives.seg is 3'),
        (['model.objectives.seg=3', 'optim_wrapper=x'], 'bad', "optim_wrapper is 'x'"),
        (['model.segmentor.backbone.type=No'], 'bad', 'cannot be built: '),
        (['model.segmentor.backbone.type=No'], 'bad', 'No is not in the'),
        (
            ['data_preprocessor.size=None', 'model.data_preprocessor.size=None'],
            'bad',
            'for the source',
        ),
        (['optim_wrapper.segmentor=3'], 'bad', "but this model trains ['discriminators', 'segm"),
        (['optim_wrapper.segmentor.optimizer.foo=3'], 'bad', 'foo'),
        (['optim_wrapper.type=AmpOptimWrapper'], 'good', 'settings are in order'),
        (['default_scope=3'], 'bad', 'default_scope is 3'),
        (['train_dataloader=None'], 'bad', 'train_dataloader is missing'),
        (['val_dataloader=3'], 'bad', 'val_dataloader is 3'),
        (['train_dataloader.dataset.type=No'], 'bad', 'No is not in the'),
        (['train_dataloader.num_workers=64'], 'warning', '64 workers for each of 1 processes'),
        (['data_preprocessor.size=(64,64)', 'crop_size=(64,64)'], 'good', 'in order'),
    ],
)
def test_settings(doctor, options, level, said):
    done, found = doctor(*options)
    assert any(said in line for line in found[level]), done.out
    assert done.code == (2 if level == 'bad' else 0)


def test_the_schedule_that_fits_is_no_finding(doctor):
    _, found = doctor()
    assert not any('learning rates' in line for lines in found.values() for line in lines)


@pytest.mark.parametrize('name', ['fda_toy', 'fewlabel_toy', 'cbst_toy'])
def test_memory_is_computed_whatever_the_method(doctor, name):
    done, found = doctor(config=str(ROOT / f'configs/small/{name}.py'))
    assert found['bad'] == []
    assert 'could not be computed' not in done.out
    assert any('checkpoints of up to' in line for line in found['good'])


def test_memory_that_is_not_known_gives_no_size_of_checkpoints(doctor):
    kind = 'optim_wrapper.segmentor.optimizer.type=RMSprop'
    _, found = doctor(kind)
    assert any('how much RMSprop keeps is not known' in line for line in found['warning'])
    assert any('how large checkpoints are is not known' in line for line in found['good'])


def damage(own_data, part, change, number=0):
    file = images(own_data, part)[number]
    change(file)
    return file


def test_a_damaged_image_is_named(doctor, own_data):
    files = [f for f in images(own_data, '') if 'leftImg8bit' in str(f) and '/train/' in str(f)]
    files[0].write_bytes(b'x')
    done, found = doctor()
    assert done.code == 2
    assert any(files[0].name in line for line in found['bad'])


def test_a_label_that_is_no_class_is_named(doctor, own_data):
    file = next((own_data / 'gta/labels').rglob('*_labelTrainIds.png'))
    Image.fromarray(np.full((96, 192), 77, np.uint8)).save(file)
    done, found = doctor()
    assert done.code == 2
    assert found['bad']
    assert f'{file.name}: label 77 is none of the' in done.out


def test_copies_in_training_and_validation_are_named(doctor, own_data):
    city = [f for f in images(own_data, '') if 'leftImg8bit' in f.parts]
    train = next(f for f in city if 'train' in f.parts)
    val = next(f for f in city if 'val' in f.parts)
    val.write_bytes(train.read_bytes())
    done, found = doctor()
    assert done.code == 0
    (line,) = [line for line in found['warning'] if 'in training and validation' in line]
    assert train.name in line
    assert val.name in line


@pytest.mark.parametrize(
    ('args', 'said'),
    [
        (('no.py',), 'no.py: no such config'),
        ((TOY, '--images', '0'), '--images and --nproc must be 1 or more'),
        ((TOY, '--out', '.'), 'is a folder'),
        ((CYCADA, '--cfg-options', 'optim_wrapper=3'), 'stages.source does not fit the config: '),
        ((TOY, '--cfg-options', 'work_dir=3'), 'work_dir is 3, but has to be the name of a folder'),
    ],
)
def test_a_mistake_is_told(refused, args, said):
    assert said in refused('doctor.py', *args)


def test_missing_data_are_told_and_the_rest_is_looked_at(
    run_tool, plainly_written, monkeypatch, tmp_path
):
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'nowhere'))
    done = run_tool('doctor.py', TOY)
    assert done.code == 2
    assert 'Traceback' not in done.err
    assert 'no such folder' in done.out
    assert 'workers on' in done.out
