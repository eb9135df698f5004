"""tools/model_converters: released weights become checkpoints that predict the same."""

import os
import re
import subprocess
import sys

import pytest
import released_files as files
import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from mmseg.apis import init_model
from tool_helpers import ROOT, SHORT

from mmseg_da.registry import MODELS

MIT, DAFORMER = 'model_converters/mit2mmseg.py', 'model_converters/daformer2mmseg.py'
DEEPLAB = 'model_converters/adaptsegnet2mmseg.py'
IMAGES = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def daformer(tmp_path):
    """A config, and a checkpoint of DAFormer with its three networks."""
    distance = dict(type='FeatureDistance', things=['car', 'person'])
    config = files.write_config(tmp_path / 'config.py', files.segmentor(), fd=distance)
    source = files.save(tmp_path / 'latest.pth', files.state_of(files.networks()))
    return config, source


def logits(config, checkpoint):
    """What the API of mmseg predicts, at the resolution of the head."""
    model = init_model(str(config), str(checkpoint), device='cpu')
    with torch.no_grad():
        return model.decode_head(model.backbone(IMAGES)), model


def expected(prefix):
    with torch.no_grad():
        return files.networks()[prefix](IMAGES)


@pytest.mark.stack
def test_the_segmentor_of_daformer_predicts_the_same(run_tool, daformer, tmp_path):
    config, source = daformer
    result = run_tool(DAFORMER, config, source, 'new/ours.pth')
    assert result.code == 0
    number = len(files.daformer().state_dict())
    assert f'wrote new/ours.pth: the segmentor\nleft out imnet_model.* ({number})' in result.out
    got, model = logits(config, tmp_path / 'new/ours.pth')
    torch.testing.assert_close(got, expected('model.'), rtol=0, atol=1e-5)
    assert model.dataset_meta == dict(classes=files.NAMES, palette=files.PALETTE)
    saved = torch.load(tmp_path / 'new/ours.pth', weights_only=True)
    assert saved.keys() == {'meta', 'state_dict'}
    assert saved['state_dict'].keys() == model.segmentor.state_dict().keys()


def test_the_teacher_can_be_had_instead(run_tool, daformer):
    config, source = daformer
    assert 'the teacher' in run_tool(DAFORMER, config, source, 'ours.pth', '--teacher').out
    got, _ = logits(config, 'ours.pth')
    torch.testing.assert_close(got, expected('ema_model.'), rtol=0, atol=1e-5)
    assert not torch.allclose(got, expected('model.'), atol=1e-2)


def test_the_teacher_of_masked_consistency_is_one_as_well(run_tool, daformer, tmp_path):
    parts = files.networks()
    parts = {'model.': parts['model.'], 'mic.teacher.ema_model.': parts['ema_model.']}
    source = files.save(tmp_path / 'mic.pth', files.state_of(parts))
    assert run_tool(DAFORMER, daformer[0], source, 'ours.pth', '--teacher').code == 0
    torch.testing.assert_close(
        logits(daformer[0], 'ours.pth')[0], expected('ema_model.'), rtol=0, atol=1e-5
    )


@pytest.mark.stack
def test_a_training_goes_on_from_segmentor_and_teacher(run_tool, daformer, tmp_path):
    config, source = daformer
    assert run_tool(DAFORMER, config, source, 'ours.pth', '--adaptor').code == 0
    start = torch.load('ours.pth', weights_only=True)['state_dict']
    assert start['teacher.steps'] == 40000
    model = init_model(str(config), 'ours.pth', device='cpu')
    for network, prefix in ((model.segmentor, 'model.'), (model.teacher.net, 'ema_model.')):
        with torch.no_grad():
            got = network.decode_head(network.backbone(IMAGES))
        torch.testing.assert_close(got, expected(prefix), rtol=0, atol=1e-5)
    options = ['--cfg-options', *SHORT, f'load_from={tmp_path}/ours.pth']
    assert run_tool('train.py', config, '--work-dir', 'w', *options).code == 0
    end = CheckpointLoader.load_checkpoint('w/iter_2.pth', 'cpu')['state_dict']
    assert end['teacher.steps'] == 40002
    with torch.no_grad():
        for ours, theirs in zip(
            model.objectives['fd'].encoder(IMAGES),
            files.networks()['imnet_model.'].backbone(IMAGES),
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    frozen = [name for name in start if name.startswith('objectives.fd.encoder.')]
    assert frozen
    assert all(torch.equal(end[name], start[name]) for name in frozen)
    name = 'teacher.net.decode_head.conv_seg.weight'
    assert 0 < (end[name] - start[name]).abs().max() < 0.1 * start[name].std()


def test_a_teacher_of_unknown_age_is_past_its_warm_up(run_tool, daformer, tmp_path):
    state = files.state_of(files.networks())
    source = files.save(tmp_path / 'latest.pth', state, iter=None)
    assert run_tool(DAFORMER, daformer[0], source, 'ours.pth', '--adaptor').code == 0
    steps = torch.load('ours.pth', weights_only=True)['state_dict']['teacher.steps']
    assert 1 - 1 / (steps.item() + 1) >= 0.99  # the config's alpha


def test_a_plain_segmentor_and_a_distributed_one_are_taken(run_tool, daformer, tmp_path):
    config, network = daformer[0], files.daformer()
    for prefix in ('', 'module.', 'module.model.'):
        source = files.save(tmp_path / 'plain.pth', files.state_of({prefix: network}))
        assert run_tool(DAFORMER, config, source, 'ours.pth', '--force').code == 0
        torch.testing.assert_close(
            logits(config, 'ours.pth')[0], expected('model.'), rtol=0, atol=1e-5
        )


@pytest.mark.parametrize('classes', [None, 10, [0, 1], ()])
def test_without_classes_the_configs_are_taken(run_tool, daformer, tmp_path, classes):
    state = files.state_of(files.networks())
    source = files.save(tmp_path / 'latest.pth', state, CLASSES=classes)
    assert run_tool(DAFORMER, daformer[0], source, 'ours.pth').code == 0
    meta = torch.load('ours.pth', weights_only=True)['meta']['dataset_meta']
    assert tuple(meta['classes']) == files.NAMES
    assert len(meta['palette']) == len(files.NAMES)
    assert meta['palette'] != files.PALETTE


@pytest.mark.parametrize('meta', [None, 'of another tool', []])
def test_a_file_without_meta_is_taken(run_tool, daformer, tmp_path, meta):
    torch.save(dict(meta=meta, state_dict=files.state_of(files.networks())), 'latest.pth')
    for flags in ([], ['--adaptor', '--force']):
        assert run_tool(DAFORMER, daformer[0], 'latest.pth', 'ours.pth', *flags).code == 0


def test_other_epsilons_are_told(run_tool, tmp_path):
    segmentor = files.segmentor()
    segmentor['backbone'] = dict(files.MIT, type='MixVisionTransformer')
    config = files.write_config(tmp_path / 'config.py', segmentor)
    source = files.save(tmp_path / 'latest.pth', files.state_of(files.networks()))
    result = run_tool(DAFORMER, config, source, 'ours.pth')
    assert result.code == 0
    assert 'eps 1e-06 here, but 1e-5' in result.out
    assert 'ReleasedMixVisionTransformer' in result.out


@pytest.mark.stack
def test_hrda_predicts_the_same_and_starts_a_training(run_tool, tmp_path):
    config = files.write_config(tmp_path / 'config.py', files.hrda_segmentor())
    parts = {'model.': files.hrda(0), 'ema_model.': files.hrda(1)}
    files.save('latest.pth', files.state_of(parts))
    for flag, prefix in ((None, 'model.'), ('--teacher', 'ema_model.')):
        flags = ['--force', *filter(None, [flag])]
        assert run_tool(DAFORMER, config, 'latest.pth', 'ours.pth', *flags).code == 0
        model = init_model(str(config), 'ours.pth', device='cpu')
        with torch.no_grad():
            ours, theirs = model.segmentor._forward(IMAGES), parts[prefix](IMAGES)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    options = [each for each in SHORT if each.startswith(('test_', 'val_'))]
    assert 'mIoU' in run_tool('test.py', config, 'ours.pth', '--cfg-options', *options).out
    options = ['--cfg-options', *SHORT, f'load_from={tmp_path}/ours.pth']
    assert run_tool('train.py', config, '--work-dir', 'w', *options).code == 0
    start = torch.load('ours.pth', weights_only=True)['state_dict']
    end = CheckpointLoader.load_checkpoint('w/iter_2.pth', 'cpu')['state_dict']
    for name in ('scale_attention.conv_seg.weight', 'decode_head.conv_seg.weight'):
        change = (end[f'segmentor.{name}'] - start[name]).abs().max()
        assert 0 < change < 0.5 * start[name].std()


@pytest.mark.stack
@pytest.mark.parametrize('wrapped', [None, 'state_dict', 'model'])
def test_a_mit_initialises_a_backbone(run_tool, tmp_path, wrapped):
    network = files.mit()
    state = network.state_dict() | {'head.weight': torch.zeros(7, 32), 'head.bias': torch.zeros(7)}
    torch.save({wrapped: state} if wrapped else state, 'mit.pth')
    result = run_tool(MIT, 'mit.pth', 'pretrained/mit.pth')
    assert result.code == 0
    number = sum(each.numel() for each in network.parameters()) / 1e6
    assert f'a MiT of depths (1, 1, 1, 1), {number:.2f} M parameters' in result.out
    assert 'left out the classifier of ImageNet' in result.out
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'pretrained/mit.pth'))
    backbone = MODELS.build(dict(files.MIT, init_cfg=init))
    backbone.init_weights()
    with torch.no_grad():
        for ours, theirs in zip(backbone.eval()(IMAGES), network(IMAGES), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_the_backbone_of_a_whole_segformer_is_taken(run_tool, tmp_path):
    files.save(tmp_path / 'segformer.pth', files.daformer().state_dict())
    result = run_tool(MIT, 'segformer.pth', 'mit.pth')
    assert 'took the backbone of segformer.pth; left out' in result.out
    saved = torch.load('mit.pth', weights_only=True)['state_dict']
    assert saved.keys() == MODELS.build(files.MIT).state_dict().keys()


@pytest.mark.stack
@pytest.mark.parametrize('summed', [2, 4])
def test_deeplabv2_predicts_the_same(run_tool, tmp_path, summed):
    network = files.deeplabv2(summed)
    config = files.write_config(tmp_path / 'config.py', files.deeplabv2_segmentor(summed))
    state = network.state_dict()
    for name in [name for name in state if name.endswith('num_batches_tracked')]:
        del state[name]  # as in files of before torch 0.4.1
    files.save_as_python2(state, 'multi.pth')
    with open('multi.pth', 'rb') as file:
        content = file.read()
    assert content[:1] == b'\x80'  # no zip file
    assert b'U\x0cconv1.weight' in content
    result = run_tool(DEEPLAB, config, 'multi.pth', 'ours.pth')
    assert result.code == 0
    assert (
        'left out auxiliary_head.branches.2, auxiliary_head.branches.3, decode_' in result.out
    ) == (summed == 2)
    with torch.no_grad():
        theirs = network(IMAGES)[-1]
    torch.testing.assert_close(logits(config, 'ours.pth')[0], theirs, rtol=0, atol=1e-5)


def test_deeplabv2_of_daformers_code_is_taken(run_tool, tmp_path):
    """Its backbone is mmseg's and has kept its names, so that ours stands in for it."""
    segmentor = files.deeplabv2_segmentor(4)
    segmentor['backbone'] |= dict(type='ResNetV1c', style='pytorch', contract_dilation=True)
    segmentor['decode_head'] |= dict(align_corners=False)
    del segmentor['auxiliary_head']
    config = files.write_config(tmp_path / 'config.py', segmentor)
    network = MODELS.build(segmentor).eval()
    state = {
        re.sub(r'\.branches\.(\d)', r'.aspp_modules.\1.conv', f'model.{name}'): each
        for name, each in network.state_dict().items()
    }
    assert 'model.decode_head.aspp_modules.3.conv.weight' in state
    assert 'model.backbone.stem.0.weight' in state
    files.save(tmp_path / 'latest.pth', state)
    assert run_tool(DAFORMER, config, 'latest.pth', 'ours.pth').code == 0
    with torch.no_grad():
        theirs = network.decode_head(network.backbone(IMAGES))
    assert torch.equal(logits(config, 'ours.pth')[0], theirs)


def test_an_auxiliary_classifier_is_left_out_where_the_config_has_none(run_tool, tmp_path):
    segmentor = files.deeplabv2_segmentor(4)
    del segmentor['auxiliary_head']
    config = files.write_config(tmp_path / 'config.py', segmentor)
    torch.save(files.deeplabv2(4).state_dict(), 'multi.pth')
    result = run_tool(DEEPLAB, config, 'multi.pth', 'ours.pth')
    assert result.out.splitlines()[-1].startswith('left out auxiliary_head.branches.0, ')
    assert 'decode_head' not in result.out.splitlines()[-1]
    with torch.no_grad():
        theirs = files.deeplabv2(4)(IMAGES)[-1]
    torch.testing.assert_close(logits(config, 'ours.pth')[0], theirs, rtol=0, atol=1e-5)


def test_a_plain_config_will_do(run_tool, daformer, tmp_path):
    plain = Config(dict(model=files.segmentor(), default_scope='mmseg'))
    plain.dump('plain.py')
    assert run_tool(DAFORMER, 'plain.py', daformer[1], 'ours.pth').code == 0
    torch.testing.assert_close(
        logits('plain.py', 'ours.pth')[0], expected('model.'), rtol=0, atol=1e-5
    )


def test_mmsegs_way_to_test_takes_the_file(run_tool, daformer):
    config, source = daformer
    assert run_tool(DAFORMER, config, source, 'ours.pth').code == 0
    options = [each for each in SHORT if each.startswith(('test_', 'val_'))]
    result = run_tool('test.py', config, 'ours.pth', '--cfg-options', *options)
    assert result.code == 0
    assert 'mIoU' in result.out


@pytest.mark.stack
def test_the_tool_starts_as_a_process(daformer, tmp_path):
    config, source = daformer
    command = [sys.executable, ROOT / 'tools' / DAFORMER, config, source, 'ours.pth']
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | dict(OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'wrote ours.pth: the segmentor' in done.stdout
    assert (tmp_path / 'ours.pth').is_file()
