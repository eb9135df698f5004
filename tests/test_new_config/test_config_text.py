"""What a written config holds, and that nothing else is written."""

import pytest
from mmengine.config import Config
from mmseg.utils import cityscapes_classes

from mmseg_da.engine.launch import load_config
from mmseg_da.errors import UserError
from mmseg_da.new_config import Choices, Folder, write_config, writing

ODD = (
    "it's",
    '"quoted"',
    '\'"both"\'',
    'back\\slash\\',
    'Straßenbäume',
    '道路',
    '100% {0} {x}',
    '{{ x }}',
    '{{{ y }}}',
    '{{ fileBasename }}',
    '{{ _base_.model }}',
    '{{$HOME:nowhere}}',
    '{% raw %} {# no comment #}',
    'a # b',
    'a name, with a comma',
    'a name of many words, ' * 8,
)
BASE = """
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='ResNetV1c'),
    decode_head=dict(type='FCNHead', num_classes=150),
)
work_dir = 'their_run'
load_from = 'their.pth'
resume = True
custom_imports = dict(imports=['json.tool'], allow_failed_imports=False)
model_wrapper_cfg = dict(type='MMFullyShardedDataParallel', cpu_offload=True)
"""


def write(tmp_path, classes=('road', 'sky'), file=None, **options):
    size = (64, 64)
    folder = Folder(tmp_path / 'images', tmp_path / 'labels', '.png', '.png', 4, size, size, 4)
    file = file or tmp_path / 'new.py'
    write_config(file, folder, folder, folder, Choices(tuple(classes), **options))
    return Config.fromfile(file)


@pytest.fixture
def base(tmp_path):
    file = tmp_path / 'base.py'
    file.write_text(BASE)
    return file


@pytest.mark.parametrize('classes', [cityscapes_classes(), ODD, [f'class {n}' for n in range(255)]])
@pytest.mark.parametrize('with_base', [False, True])
def test_names_of_classes_are_written_as_they_are(tmp_path, base, classes, with_base):
    cfg = write(tmp_path, classes, segmentor=base if with_base else None)
    assert cfg.metainfo.classes == tuple(classes)
    lines = (tmp_path / 'new.py').read_text(encoding='utf-8').splitlines()
    named = next(i for i, line in enumerate(lines) if 'classes=(' in line)
    block = lines[named + 1 : lines.index('    ),', named)]
    if classes != ODD:  # which has a name that is longer than a line
        assert max(map(len, block)) <= 100
        assert len(block) < len(classes) / 2


def test_names_of_folders_are_written_as_they_are(tmp_path):
    folder = tmp_path / "{{ fileDirname }} and it's"
    cfg = write(folder, file=tmp_path / 'new.py')
    assert cfg.val_dataloader.dataset.data_prefix.img_path == str(folder / 'images')


def test_what_would_be_no_config_leaves_the_old_one(tmp_path, monkeypatch):
    file = tmp_path / 'new.py'
    file.write_text('old = True')
    monkeypatch.setattr(writing, '_wrapped', lambda values: "('traffic\nsign',)")
    with pytest.raises(UserError, match=r'new\.py: .*is not a valid config.*nothing is written'):
        write(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ['new.py']
    assert file.read_text() == 'old = True'


def test_a_run_of_the_segmentors_config_is_not_gone_on_with(tmp_path, base, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = write(tmp_path, segmentor=base)
    assert (cfg.work_dir, cfg.load_from, cfg.resume) == (None, None, False)
    assert load_config('new.py', None, None).work_dir == 'work_dirs/new'
    assert 'another training' in (tmp_path / 'new.py').read_text()


def test_modules_of_the_segmentors_config_are_imported(tmp_path, base):
    cfg = write(tmp_path, segmentor=base)
    assert cfg.custom_imports.imports == ['json.tool', 'mmseg_da']
    assert cfg.model_wrapper_cfg == dict(type='mmseg.PhasedDDP')
