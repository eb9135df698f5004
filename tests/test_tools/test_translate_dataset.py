"""tools/translate_dataset.py: a data set in another look, which trains as an ordinary one."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image
from tool_helpers import ROOT, contents
from translate_helpers import GENERATOR, close, expected, read, save, write_checkpoint

from mmseg_da.engine.image_translation import ImageTranslation
from mmseg_da.registry import DATASETS, MODELS

TOOL = 'translate_dataset.py'
RUN = ['cycle.py', 'cycle.pth', 'in', 'out']
NAMES = ['1.png', 'a/2.png', 'a/b/3.png', 'a/b/4.JPG', 'odd.png']


def files(folder):
    return {name for name, content in contents(folder).items() if content is not None}


@pytest.fixture
def model(tmp_path):
    """Write cycle.py, cycle.pth and a folder of images."""
    for name in NAMES:
        size = (13, 18) if name == 'odd.png' else (12, 16)
        save(tmp_path / 'in' / name, *size)
    (tmp_path / 'in/notes.txt').write_text('no image')
    return write_checkpoint(tmp_path / 'cycle.pth', 0)


@pytest.mark.stack
@pytest.mark.parametrize('direction', ['source_to_target', 'target_to_source'])
def test_images_are_those_of_the_generator_under_their_names(
    run_tool, model, tmp_path, monkeypatch, direction
):
    monkeypatch.setenv('FORCE_COLOR', '1')  # draws the bar where there is no terminal
    done = run_tool(TOOL, *RUN, '--batch-size', 3, '--direction', direction)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == '5 images are in out'
    assert re.search(r'Images.*100%.*\d:\d\d:\d\d', done.err)
    assert files(tmp_path / 'out') == {*NAMES, 'translation.json'}
    for name in NAMES:
        wanted = expected(model, tmp_path / 'in' / name, direction)
        if name.endswith('JPG'):
            difference = np.abs(read(tmp_path / 'out' / name).astype(int) - wanted)
            assert difference.mean() < 5
        else:
            assert close(read(tmp_path / 'out' / name), wanted), name


def test_every_output_can_be_lossless(run_tool, model, tmp_path):
    assert run_tool(TOOL, *RUN, '--suffix', '.png').code == 0
    wanted = expected(model, tmp_path / 'in/a/b/4.JPG')
    assert close(read(tmp_path / 'out/a/b/4.png'), wanted)
    assert not (tmp_path / 'out/a/b/4.JPG').exists()


def test_again_gives_the_same_files(run_tool, model, tmp_path):
    for out in ('one', 'two'):
        args = ['--batch-size', 2, '--workers', 1 if out == 'one' else 4]
        assert run_tool(TOOL, *RUN[:3], out, *args).code == 0
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')


def test_tiles(run_tool, model, tmp_path):
    save(tmp_path / 'in/large.png', 61, 90)
    args = ['--tile', 32, 40, '--overlap', 16]
    assert run_tool(TOOL, *RUN, *args).code == 0
    assert close(read(tmp_path / 'out/1.png'), expected(model, tmp_path / 'in/1.png'))
    translator = MODELS.build(dict(type='FrozenTranslator', generator=GENERATOR))
    translator.generator.load_state_dict(model.generators['source_to_target'].state_dict())
    pixels = torch.from_numpy(read(tmp_path / 'in/large.png').copy()).permute(2, 0, 1)[None]
    tiled = ImageTranslation(translator, tile=(32, 40), overlap=16)(pixels, torch.zeros(0, 3, 1, 1))
    assert close(read(tmp_path / 'out/large.png'), tiled[0].permute(1, 2, 0).numpy())
    assert not close(tiled[0].permute(1, 2, 0).numpy(), expected(model, tmp_path / 'in/large.png'))


@pytest.mark.stack
@pytest.mark.parametrize('copy', [False, True])
def test_a_data_set_trains_as_before(run_tool, model, toy_data, tmp_path, copy):
    gta = toy_data / 'toy/gta'
    args = ['--labels', gta / 'labels', *(['--copy-labels'] if copy else [])]
    done = run_tool(TOOL, 'cycle.py', 'cycle.pth', gta / 'images', 'gta_cs', *args)
    assert done.code == 0, done.err
    verb = 'copied' if copy else 'linked'
    assert f'14 labels are {verb} into gta_cs/labels' in done.out
    assert "data_root='gta_cs', data_prefix={'img_path': 'images', 'seg_map_path': 'labels'}" in (
        done.out
    )
    init_default_scope('mmseg')
    pipeline = [dict(type=kind) for kind in ('LoadImageFromFile', 'LoadAnnotations')]
    shared = dict(type='GTADataset', pipeline=[*pipeline, dict(type='PackSegInputs')])
    prefix = dict(img_path='images', seg_map_path='labels')
    for list_file in ('', 'train.txt'):
        before, after = (
            DATASETS.build(
                shared | dict(data_root=str(root), data_prefix=prefix, ann_file=list_file)
            )
            for root in (gta, tmp_path / 'gta_cs')
        )
        assert len(after) == len(before) == (6 if list_file else 7)
    for index in range(len(after)):
        theirs, ours = before[index], after[index]
        labels = [each['data_samples'].gt_sem_seg.data for each in (theirs, ours)]
        assert torch.equal(*labels)
        assert labels[0].unique().numel() > 3
        path = Path(theirs['data_samples'].img_path)
        pixels = ours['inputs'].flip(0).permute(1, 2, 0).numpy()
        assert close(pixels, expected(model, path))
    assert (tmp_path / 'gta_cs/labels/00001.png').is_symlink() != copy


@pytest.mark.stack
def test_a_whole_run_of_stages(run_tool, tmp_path):
    """The config of CyCADA with the final checkpoint of its run, which holds one generator."""
    save(tmp_path / 'in/1.png', 16, 24)
    config = ROOT / 'configs/small/cycada_toy.py'
    generator = Config.fromfile(config).model.translator.generator
    translator = MODELS.build(dict(type='FrozenTranslator', generator=generator))
    state = {f'translator.{name}': value for name, value in translator.state_dict().items()}
    torch.save(dict(state_dict=state), tmp_path / 'iter_200.pth')
    done = run_tool(TOOL, config, 'iter_200.pth', 'in', 'out')
    assert done.code == 0, done.err
    pixels = torch.from_numpy(read(tmp_path / 'in/1.png').copy()).permute(2, 0, 1)[None].float()
    wanted = translator.translate(pixels, None)[0].permute(1, 2, 0).round().clamp(0, 255)
    assert close(read(tmp_path / 'out/1.png'), wanted.byte().numpy())
    other = run_tool(TOOL, config, 'iter_200.pth', 'in', 'new', '--direction', 'target_to_source')
    assert 'iter_200.pth: holds the generator source_to_target alone' in other.mistake
    channels = '--cfg-options', 'model.translator.generator.channels=8'
    assert (
        'another network' in run_tool(TOOL, config, 'iter_200.pth', 'in', 'new', *channels).mistake
    )
    assert not (tmp_path / 'new').exists()
    translator.scale = 0.5
    scale = '--cfg-options', 'model.translator.scale=0.5'
    refused = run_tool(TOOL, config, 'iter_200.pth', 'in', 'out', *scale).mistake
    assert 'out holds images of another translation (scale: 1.0, now 0.5)' in refused
    assert run_tool(TOOL, config, 'iter_200.pth', 'in', 'half', *scale).code == 0
    wanted = translator.translate(pixels, None)[0].permute(1, 2, 0).round().clamp(0, 255)
    assert close(read(tmp_path / 'half/1.png'), wanted.byte().numpy())


def test_a_killed_run_goes_on(run_tool, model, tmp_path):
    for number in range(40):
        save(tmp_path / f'many/{number:02d}.png', 120, 160)
    args = ['cycle.py', 'cycle.pth', 'many']
    environ = os.environ | dict(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    command = [sys.executable, ROOT / 'tools' / TOOL, *args, 'killed', '--batch-size', '4']
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 120
        while len(list(tmp_path.glob('killed/*.png'))) < 6 and time.monotonic() < end:
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    written = {path: path.stat() for path in tmp_path.glob('killed/*.png')}
    assert 6 <= len(written) < 40
    for path in written:
        assert read(path).shape == (120, 160, 3)  # none is half an image
    done = run_tool(TOOL, *args, 'killed', '--batch-size', 4)
    said = f'40 images are in killed, {len(written)} of which were there already'
    assert (done.code, done.out.splitlines()[-1]) == (0, said)
    assert {path: path.stat() for path in written} == written
    assert run_tool(TOOL, *args, 'whole', '--batch-size', 4).code == 0
    assert contents(tmp_path / 'killed') == contents(tmp_path / 'whole')


def test_another_checkpoint_does_not_go_on(run_tool, refused, model, tmp_path):
    assert run_tool(TOOL, *RUN).code == 0
    shutil.copy(tmp_path / 'cycle.pth', tmp_path / 'renamed.pth')
    done = run_tool(TOOL, RUN[0], 'renamed.pth', *RUN[2:])
    assert done.out.splitlines()[-1] == '5 images are in out, 5 of which were there already'
    other = write_checkpoint(tmp_path / 'other.pth', 1)
    args = [RUN[0], 'other.pth', *RUN[2:]]
    said = refused(TOOL, *args)
    assert re.search(r'out holds images of another translation \(weights: \w+, now \w+\)', said)
    assert 'direction: source_to_target, now target' in refused(
        TOOL, *RUN, '--direction', 'target_to_source'
    )
    assert 'tile: None, now [16, 16]; overlap: None, now 4' in refused(TOOL, *RUN, '--tile', 16, 16)
    assert run_tool(TOOL, *args, '--force').out.splitlines()[-1] == '5 images are in out'
    assert close(read(tmp_path / 'out/1.png'), expected(other, tmp_path / 'in/1.png'))


def test_bad_images_are_all_named_and_the_others_translated(run_tool, model, tmp_path):
    (tmp_path / 'in/bad.png').write_bytes(b'no image')
    whole = (tmp_path / 'in/a/b/3.png').read_bytes()
    (tmp_path / 'in/a/cut.png').write_bytes(whole[: len(whole) // 2])
    cv2.imwrite(str(tmp_path / 'in/deep.png'), np.full((12, 16, 3), 5000, np.uint16))
    done = run_tool(TOOL, *RUN, '--batch-size', 2)
    said = done.mistake
    assert said.startswith('error: 3 of 8 images were not translated; repair or delete them')
    assert [line.split()[0] for line in said.splitlines()[1:]] == [
        *('in/a/cut.png', 'in/bad.png', 'in/deep.png')
    ]
    assert 'in/deep.png has 16 bits or more per channel' in said
    found = {str(path.relative_to(tmp_path / 'out')) for path in (tmp_path / 'out').rglob('*.*')}
    assert found == {*('1.png', 'a/2.png', 'a/b/3.png', 'a/b/4.JPG', 'odd.png', 'translation.json')}
    for name in ('bad', 'a/cut', 'deep'):
        save(tmp_path / f'in/{name}.png')
    assert run_tool(TOOL, *RUN, '--batch-size', 2).code == 0
    wanted = expected(model, tmp_path / 'in/bad.png')
    assert close(read(tmp_path / 'out/bad.png'), wanted)


def test_what_is_changed_of_an_image_is_told(run_tool, model, tmp_path):
    shutil.rmtree(tmp_path / 'in')
    save(tmp_path / 'in/1.png')
    with Image.open(tmp_path / 'in/1.png') as image:
        image.convert('L').save(tmp_path / 'in/grey.bmp')
        image.convert('RGBA').save(tmp_path / 'in/alpha.png')
    done = run_tool(TOOL, *RUN)
    assert done.out.splitlines()[-3:] == [
        '3 images are in out',
        '1 images had an alpha channel, which was dropped, e.g. alpha.png',
        '1 images were not RGB (grey, palette, CMYK) and were converted, e.g. grey.bmp',
    ]
    assert close(read(tmp_path / 'out/alpha.png'), expected(model, tmp_path / 'in/1.png'))
    assert close(read(tmp_path / 'out/grey.png'), expected(model, tmp_path / 'in/grey.bmp'))


@pytest.mark.parametrize(
    ('args', 'problem'),
    [
        ([*RUN[:2], 'nowhere', 'out'], 'nowhere: no such folder'),
        ([*RUN[:2], 'empty', 'out'], 'empty: holds no image'),
        ([*RUN[:3], 'in/out'], 'lie in one another'),
        ([*RUN[:3], 'cycle.py/out'], 'OUT: cannot write to'),
        (['nowhere.py', *RUN[1:]], 'nowhere.py: no such config file'),
        ([RUN[0], 'nowhere.pth', *RUN[2:]], 'nowhere.pth does not exist'),
        ([RUN[0], 'cycle.py', *RUN[2:]], 'cycle.py is not a checkpoint'),
        ([RUN[0], 'plain.pth', *RUN[2:]], 'plain.pth: holds no generator'),
        (['plain.py', *RUN[1:]], 'plain.py: no generator'),
        ([*RUN, '--cfg-options', 'model.generator.channels=8'], 'its generator is another network'),
        ([*RUN, '--device', 'gpu'], '--device gpu: cannot be used here'),
        ([*RUN, '--tile', 30, 30], '--tile 30 30: sides have to be multiples of 4'),
        ([*RUN, '--overlap', 8], '--overlap is of tiles'),
        ([*RUN, '--batch-size', 0], 'argument --batch-size: 0 is not 1 or more'),
        ([*RUN, '--copy-labels'], '--copy-labels: give --labels FOLDER, too'),
        ([*RUN, '--labels', 'nowhere'], '--labels nowhere: no such folder'),
        ([*RUN, '--suffix', '.gif'], 'argument --suffix: invalid choice'),
    ],
)
def test_mistakes_are_told_in_one_message(refused, model, tmp_path, args, problem):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'plain.py').write_text("model = dict(type='EncoderDecoder')")
    torch.save(dict(state_dict=dict(weight=torch.zeros(1))), tmp_path / 'plain.pth')
    assert problem in refused(TOOL, *args)
