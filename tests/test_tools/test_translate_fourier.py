"""tools/translate_dataset.py --fourier: the low frequencies of target images, without a training."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from tool_helpers import ROOT, contents
from translate_helpers import close, read, save

from mmseg_da.engine.target_images import TargetImages
from mmseg_da.functional import swap_low_frequencies
from mmseg_da.registry import DATASETS

TOOL = 'translate_dataset.py'
RUN = ['--fourier', 0.2, '--target-images', 'target', 'in', 'out']
NAMES = ['1.png', 'a/2.png', 'a/b/3.png', 'a/b/4.JPG', 'odd.png']


@pytest.fixture
def images(tmp_path):
    for name in NAMES:
        save(tmp_path / 'in' / name, *((13, 18) if name == 'odd.png' else (12, 16)))
    for number in range(3):
        save(tmp_path / f'target/{number}/{number}.png', 12 + 2 * number, 20)
    (tmp_path / 'target/notes.txt').write_text('no image')


def pixels_of(path):
    return torch.from_numpy(read(path).copy()).permute(2, 0, 1)[None].float()


def expected(folder, name, beta=0.2, seed=0, window='symmetric'):
    """Written out, but for which target image it is."""
    source = pixels_of(folder / 'in' / name)
    chosen = TargetImages(folder / 'target', seed).chosen(name)
    look = F.interpolate(
        pixels_of(folder / 'target' / chosen), source.shape[-2:], mode='bilinear', antialias=True
    )
    swapped = swap_low_frequencies(source, look, beta, window)
    return swapped[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()


@pytest.mark.stack
@pytest.mark.parametrize('options', [[], ['--seed', 7, '--window', 'legacy', '--batch-size', 3]])
def test_images_have_the_low_frequencies_of_target_images(run_tool, images, tmp_path, options):
    done = run_tool(TOOL, *RUN, *options)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == '5 images are in out'
    written = {name for name, content in contents(tmp_path / 'out').items() if content is not None}
    assert written == {*NAMES, 'translation.json'}
    own = dict(seed=7, window='legacy') if options else {}
    for name in map(Path, NAMES):
        wanted = expected(tmp_path, name, **own)
        if name.suffix == '.JPG':
            assert np.abs(read(tmp_path / 'out' / name).astype(int) - wanted).mean() < 5
        else:
            assert close(read(tmp_path / 'out' / name), wanted), name
            assert not close(read(tmp_path / 'out' / name), read(tmp_path / 'in' / name), by=9)


def test_every_target_image_is_a_model_for_some(tmp_path):
    for number in range(5):
        save(tmp_path / f'{number}.png')
    names = [tmp_path / f'{number:05d}.png' for number in range(1000)]
    choices = [[TargetImages(tmp_path, seed).chosen(name) for name in names] for seed in (0, 0, 1)]
    assert choices[0] == choices[1] != choices[2]
    counts = [choices[0].count(picture) for picture in TargetImages(tmp_path).pictures]
    assert min(counts) > 150


def test_neither_batch_nor_order_changes_a_choice(run_tool, images, tmp_path):
    for out, args in (('one', []), ('two', ['--batch-size', 4, '--workers', 4])):
        assert run_tool(TOOL, *RUN[:-1], out, *args).code == 0
    for name in NAMES:
        assert close(read(tmp_path / 'one' / name), read(tmp_path / 'two' / name))


@pytest.mark.stack
def test_a_data_set_trains_as_before(run_tool, images, toy_data, tmp_path):
    gta, cityscapes = (toy_data / 'toy' / each for each in ('gta', 'cityscapes'))
    args = ['--fourier', 0.05, '--target-images', cityscapes / 'leftImg8bit/train']
    done = run_tool(TOOL, *args, gta / 'images', 'gta_fda', '--labels', gta / 'labels')
    assert done.code == 0, done.err
    assert '14 labels are linked into gta_fda/labels' in done.out
    init_default_scope('mmseg')
    pipeline = [dict(type=kind) for kind in ('LoadImageFromFile', 'LoadAnnotations')]
    before, after = (
        DATASETS.build(
            dict(
                type='GTADataset',
                data_root=str(root),
                data_prefix=dict(img_path='images', seg_map_path='labels'),
                pipeline=[*pipeline, dict(type='PackSegInputs')],
            )
        )
        for root in (gta, tmp_path / 'gta_fda')
    )
    assert len(after) == len(before) == 7
    labels = [each[0]['data_samples'].gt_sem_seg.data for each in (before, after)]
    assert torch.equal(*labels)
    # The target of the toy domains is hazy and blue: the mean colour is that of another image.
    means = [each[0]['inputs'].float().mean((1, 2)) for each in (before, after)]
    assert (means[0] - means[1]).abs().max() > 5


def test_a_killed_run_goes_on(run_tool, images, tmp_path):
    for number in range(40):
        save(tmp_path / f'many/{number:02d}.png', 120, 160)
    args = ['--fourier', '0.1', '--target-images', 'target', 'many']
    environ = os.environ | dict(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    command = [sys.executable, ROOT / 'tools' / TOOL, *args, 'killed', '--batch-size', '4']
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 120
        while len(list(tmp_path.glob('killed/*.png'))) < 6 and time.monotonic() < end:
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    written = {path: path.stat() for path in tmp_path.glob('killed/*.png')}
    assert 6 <= len(written) < 40
    done = run_tool(TOOL, *args, 'killed', '--batch-size', 4)
    said = f'40 images are in killed, {len(written)} of which were there already'
    assert (done.code, done.out.splitlines()[-1]) == (0, said)
    assert {path: path.stat() for path in written} == written
    assert run_tool(TOOL, *args, 'whole', '--batch-size', 4).code == 0
    assert contents(tmp_path / 'killed') == contents(tmp_path / 'whole')


@pytest.mark.parametrize(
    ('options', 'problem'),
    [
        (['--fourier', 0.1], 'fourier: 0.2, now 0.1'),
        (['--window', 'legacy'], 'window: symmetric, now legacy'),
        (['--seed', 3], 'seed: 0, now 3'),
        (['--target-images', 'in'], 'target_images: .*, now .*/in; target_names'),
    ],
)
def test_other_settings_do_not_go_on(run_tool, refused, images, options, problem):
    assert run_tool(TOOL, *RUN).code == 0
    said = refused(TOOL, *RUN, *options)
    assert re.search(rf'out holds images of another translation \({problem}', said)


def test_further_target_images_do_not_go_on(run_tool, refused, images, tmp_path):
    """Each source image might get another one."""
    assert run_tool(TOOL, *RUN).code == 0
    save(tmp_path / 'target/new.png')
    assert 'another translation (target_names: ' in refused(TOOL, *RUN)
    assert run_tool(TOOL, *RUN, '--force').out.splitlines()[-1] == '5 images are in out'
    assert close(read(tmp_path / 'out/1.png'), expected(tmp_path, Path('1.png')))


def test_a_bad_target_image_is_named_and_what_is_done_stays(run_tool, images, tmp_path):
    for picture in (tmp_path / 'target').rglob('*.png'):
        whole = picture.read_bytes()
        picture.write_bytes(whole[: len(whole) // 2])
    said = run_tool(TOOL, *RUN).mistake
    assert said.startswith('error: --target-images: target/')
    assert 'cannot be read' in said
    assert 'repair it and run the same command again' in said
    assert not list(tmp_path.glob('out/**/*.part'))
    for number in range(3):
        save(tmp_path / f'target/{number}/{number}.png', 12 + 2 * number, 20)
    assert run_tool(TOOL, *RUN).out.splitlines()[-1].startswith('5 images are in out')


@pytest.mark.parametrize(
    ('args', 'problem'),
    [
        (['--fourier', 0.5, *RUN[2:]], 'argument --fourier: 0.5 is not in [0, 0.5)'),
        (['--fourier', 'nan', *RUN[2:]], 'argument --fourier: nan is not in [0, 0.5)'),
        (['--fourier', 'x', *RUN[2:]], 'argument --fourier: invalid share value'),
        (['--fourier=0.1', 'in', 'out'], '--fourier: give --target-images FOLDER, too'),
        ([*RUN[:3], 'nowhere', *RUN[4:]], '--target-images nowhere: no such folder'),
        ([*RUN[:3], 'empty', *RUN[4:]], 'empty: holds no image'),
        ([*RUN[:5], 'target/out'], 'OUT target/out and --target-images target lie in one another'),
        ([*RUN, '--seed', -1], 'argument --seed: -1 is not 0 or more'),
        ([*RUN, '--window', 'round'], 'argument --window: invalid choice'),
        ([*RUN, '--tile', 32, 32], 'unrecognized arguments: --tile 32 32'),
        ([*RUN, '--direction', 'target_to_source'], 'unrecognized arguments: --direction'),
        ([*RUN[:4], 'nowhere', 'out'], 'nowhere: no such folder'),
        ([*RUN[:4], 'in'], 'the following arguments are required: OUT'),
        (['a.py', 'a.pth', 'in', 'out', '--seed', 1], '--seed: give --fourier BETA, too'),
        (['a.py', 'a.pth', 'in', 'out', *RUN[2:4]], '--target-images: give --fourier BETA, too'),
    ],
)
def test_mistakes_are_told_in_one_message(refused, images, tmp_path, args, problem):
    (tmp_path / 'empty').mkdir()
    assert problem in refused(TOOL, *args)
