"""tools/model_converters: what is none of theirs is told by name, and nothing is written or run."""

import os
import resource
from collections import OrderedDict

import pytest
import released_files as files
import torch
from tool_helpers import contents

MIT, DAFORMER = 'model_converters/mit2mmseg.py', 'model_converters/daformer2mmseg.py'
DEEPLAB = 'model_converters/adaptsegnet2mmseg.py'


class Hostile:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ('touch ran_it',)


def cut(path):
    torch.save(files.mit().state_dict(), path)
    path.write_bytes(path.read_bytes()[:3000])


SOURCES = {
    'missing': (lambda path: None, 'src.pth does not exist'),
    'empty': (lambda path: path.touch(), 'src.pth is not a checkpoint, or is damaged'),
    'cut': (cut, 'src.pth is not a checkpoint, or is damaged'),
    'a web page': (
        lambda path: path.write_bytes(b'<!DOCTYPE html><html>Sign in</html>'),
        'src.pth is not a checkpoint, or is damaged',
    ),
    'hostile': (
        lambda path: torch.save(dict(state_dict={}, meta=Hostile()), path),
        'src.pth was refused',
    ),
    'a list': (lambda path: torch.save([1, 2], path), 'src.pth is not a checkpoint'),
    'without weights': (lambda path: torch.save(dict(epoch=3), path), 'src.pth: holds no weights'),
    'of another network': (
        lambda path: torch.save(dict(state_dict=torch.nn.Linear(2, 2).state_dict()), path),
        'src.pth: ',
    ),
}


@pytest.fixture
def tools(tmp_path):
    """The arguments of each tool in front of DST, for a source ``src.pth``."""
    daformer = files.write_config(tmp_path / 'daformer.py', files.segmentor())
    deeplab = files.write_config(tmp_path / 'deeplab.py', files.deeplabv2_segmentor())
    return {
        'mit': [MIT, 'src.pth'],
        'daformer': [DAFORMER, daformer, 'src.pth'],
        'deeplab': [DEEPLAB, deeplab, 'src.pth'],
    }


def write_source(tool, path='src.pth'):
    """A good source of a tool; gives its weights."""
    if tool == 'mit':
        state = files.mit().state_dict()
        torch.save(state, path)
    elif tool == 'daformer':
        state = files.state_of(files.networks())
        files.save(path, state)
    else:
        state = files.deeplabv2().state_dict()
        torch.save(dict(state_dict=state), path)
    return state


@pytest.mark.stack
@pytest.mark.parametrize('tool', ['mit', 'daformer', 'deeplab'])
@pytest.mark.parametrize('case', SOURCES)
def test_a_source_that_is_no_checkpoint_is_named(refused, tools, tmp_path, case, tool):
    write, words = SOURCES[case]
    write(tmp_path / 'src.pth')
    assert words in refused(*tools[tool], 'dst.pth')
    assert not (tmp_path / 'ran_it').exists()


@pytest.mark.parametrize('tool', ['mit', 'daformer', 'deeplab'])
def test_a_target_in_use_is_replaced_by_force_alone(refused, run_tool, tools, tmp_path, tool):
    write_source(tool)
    (tmp_path / 'dst.pth').write_text('mine')
    assert 'dst.pth is there: choose another name, or --force' in refused(*tools[tool], 'dst.pth')
    assert run_tool(*tools[tool], 'dst.pth', '--force').code == 0
    assert torch.load('dst.pth', weights_only=True)['state_dict']


def test_a_target_that_is_no_file_to_write_is_named(refused, tools, tmp_path):
    write_source('mit')
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file').touch()
    assert 'folder: DST is a folder' in refused(*tools['mit'], 'folder', '--force')
    assert 'src.pth: DST is SRC' in refused(*tools['mit'], tmp_path / 'src.pth', '--force')
    assert 'DST: cannot write to' in refused(*tools['mit'], 'file/dst.pth')


def test_a_full_disk_leaves_the_old_file(run_tool, tools, tmp_path):
    write_source('mit')
    (tmp_path / 'dst.pth').write_text('mine')
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))  # a write beyond it fails
    try:
        said = run_tool(*tools['mit'], 'dst.pth', '--force').mistake
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert 'dst.pth: cannot be written' in said
    assert contents(tmp_path) == before


def edited(state, *, drop=(), add=(), resize=()):
    state = OrderedDict((name, each) for name, each in state.items() if name not in drop)
    state.update((name, torch.zeros(1)) for name in add)
    state.update((name, torch.zeros(3, 3)) for name in resize)
    return state


@pytest.mark.parametrize('prefix', ['', 'model.backbone.'])
@pytest.mark.parametrize(
    ('edit', 'words'),
    [
        (
            dict(drop=['{}block2.0.attn.q.weight']),
            'missing: {}layers.1.1.0.attn.attn.in_proj_weight',
        ),
        (dict(drop=['{}norm3.bias']), 'missing: {}layers.2.2.bias'),
        (dict(add=['{}pos_embed1']), 'unexpected: {}pos_embed1'),
        (dict(add=['{}block1.0.attn.gate.weight']), 'unexpected: {}block1.0.attn.gate.weight'),
        (
            dict(resize=['{}block2.0.attn.proj.weight']),
            'of another shape: {}layers.1.1.0.attn.attn.out_proj.weight 3x3 instead of 8x8',
        ),
    ],
)
def test_a_mit_that_is_not_whole_is_told_by_name(refused, tools, prefix, edit, words):
    tool = 'daformer' if prefix else 'mit'
    edit = {kind: [name.format(prefix) for name in names] for kind, names in edit.items()}
    state = edited(write_source(tool), **edit)
    torch.save(state, 'src.pth')
    said = refused(*tools[tool], 'dst.pth')
    assert 'src.pth: does not fit' in said
    assert words.format(prefix.removeprefix('model.')) in said


def test_every_kind_of_misfit_is_in_one_message(refused, tools):
    state = edited(
        write_source('daformer'),
        drop=['model.decode_head.conv_seg.bias'],
        add=['model.decode_head.extra', 'foreign'],
        resize=['model.decode_head.fuse_layer.bottleneck.conv.weight'],
    )
    files.save('src.pth', state)
    said = refused(*tools['daformer'], 'dst.pth')
    assert 'missing: decode_head.conv_seg.bias; unexpected: ' in said
    assert 'foreign' in said
    assert 'decode_head.extra' in said
    assert 'of another shape: decode_head.bottleneck.conv.weight 3x3 instead of 6x24x3x3' in said


def test_a_teacher_that_is_not_whole_is_told(refused, run_tool, tools):
    name = 'ema_model.decode_head.conv_seg.bias'
    files.save('src.pth', edited(write_source('daformer'), drop=[name]))
    for flag in ('--teacher', '--adaptor'):
        said = refused(*tools['daformer'], 'dst.pth', flag)
        assert 'missing: decode_head.conv_seg.bias' in said
    assert run_tool(*tools['daformer'], 'dst.pth').code == 0  # the segmentor is


def test_another_variant_is_told(refused, tools):
    write_source('daformer')
    options = ['--cfg-options', 'model.segmentor.backbone.num_layers=1,1,2,1']
    said = refused(*tools['daformer'], 'dst.pth', *options)
    assert 'does not fit the segmentor of' in said
    assert (
        'daformer.py, which has to be the network of the file (missing: backbone.layers.2.1.1.norm1.weight, '
        in said
    )


def test_another_number_of_classes_is_told(refused, tools):
    write_source('deeplab')
    options = [
        'model.segmentor.decode_head.num_classes=19',
        'model.segmentor.auxiliary_head.num_classes=19',
    ]
    said = refused(*tools['deeplab'], 'dst.pth', '--cfg-options', *options)
    assert 'decode_head.branches.0.weight 10x64x3x3 instead of 19x64x3x3' in said


def test_where_there_is_no_teacher_none_is_written(refused, tools, tmp_path):
    files.save('src.pth', files.daformer().state_dict())
    for flag in ('--teacher', '--adaptor'):
        said = refused(*tools['daformer'], 'dst.pth', flag)
        assert 'src.pth: holds no teacher' in said
    write_source('daformer')
    options = ['--adaptor', '--cfg-options', 'model.teacher=None', 'model.objectives.mix=None']
    assert 'needs a config with model.teacher' in refused(*tools['daformer'], 'dst.pth', *options)


def test_teacher_and_adaptor_exclude_each_other(refused, tools):
    write_source('daformer')
    said = refused(*tools['daformer'], 'dst.pth', '--teacher', '--adaptor')
    assert 'not allowed with argument --teacher' in said


def test_weights_in_mmsegs_names_are_no_original_mit(refused, run_tool, tools):
    write_source('mit')
    assert run_tool(*tools['mit'], 'ours.pth').code == 0
    said = refused(MIT, 'ours.pth', 'again.pth')
    assert 'ours.pth: holds no original Mix Transformer' in said
    assert 'It begins with layers.0.0.projection.weight' in said


def test_hrda_in_a_config_of_daformer_is_told_and_the_other_way_round(refused, tools, tmp_path):
    files.save('src.pth', files.state_of({'model.': files.hrda()}))
    assert 'unexpected: scale_attention.' in refused(*tools['daformer'], 'dst.pth')
    config = files.write_config(tmp_path / 'hrda.py', files.hrda_segmentor())
    write_source('daformer')
    assert 'missing: scale_attention.' in refused(DAFORMER, config, 'src.pth', 'dst.pth')


def test_a_config_without_a_model_is_told(refused, tmp_path):
    write_source('daformer')
    (tmp_path / 'config.py').write_text('work_dir = None\n')
    for flags in ([], ['--adaptor']):
        said = refused(DAFORMER, 'config.py', 'src.pth', 'dst.pth', *flags)
        assert 'config.py: has no model' in said


def test_a_config_that_is_missing_is_told(refused):
    assert 'none.py: no such config file' in refused(DAFORMER, 'none.py', 'src.pth', 'dst.pth')
