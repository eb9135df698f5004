"""A run of several stages with images, checkpoints or stages that cannot work: one message each."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image
from tool_helpers import ROOT

from mmseg_da.registry import MODELS

CYCADA = str(ROOT / 'configs/small/cycada_toy.py')
TRANSLATE = 'stages.translate.model'
TINY = [
    'model.translator.generator.blocks=1',
    'model.translator.generator.channels=4',
    f'{TRANSLATE}.generator.blocks=1',
    f'{TRANSLATE}.generator.channels=4',
    f'{TRANSLATE}.discriminator.channels=4',
    'train_dataloader.batch_size=1',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_cfg=None',
    'val_dataloader=None',
    'val_evaluator=None',
    'default_hooks.adaptation_view.interval=0',
]
ONLY_TRANSLATE = ['stage=translate', f'{TRANSLATE}.semantics=None']
SOURCE, TARGET = 'gta/images', 'cityscapes/leftImg8bit/train/toyburg'

pytestmark = pytest.mark.usefixtures('plainly_written')


def train(*options):
    return 'train.py', CYCADA, '--work-dir', 'w', '--cfg-options', *TINY, *options


def pictures(root, folder):
    return sorted((root / folder).glob('*.png'))


@pytest.mark.parametrize(('folder', 'domain'), [(SOURCE, 'source'), (TARGET, 'target')])
def test_images_smaller_than_the_crop_are_named(refused, own_data, folder, domain):
    """They would be padded, and the generator learn to draw a black border."""
    for path in pictures(own_data, folder):
        Image.open(path).resize((100, 50)).save(path)
    if domain == 'source':
        for path in (own_data / 'gta/labels').glob('*.png'):
            Image.open(path).resize((100, 50), Image.Resampling.NEAREST).save(path)
    said = refused(*train(*ONLY_TRANSLATE))
    assert f'{own_data / folder}/' in said
    assert f'.png: is 50 x 64 (height x width) after the {domain} pipeline' in said
    assert 'smaller than the 64 x 64 of model.data_preprocessor.size' in said


def test_a_translation_reads_other_kinds_of_pictures(run_tool, own_data):
    """Grey, 16 bits, alpha and palette become three channels of 8 bits."""
    kinds = (
        lambda rgb: Image.fromarray(rgb[..., 0]),
        lambda rgb: Image.fromarray(rgb[..., 0].astype(np.uint16) * 257),
        lambda rgb: Image.fromarray(np.dstack([rgb, rgb[..., :1]])),
        lambda rgb: Image.fromarray(rgb).convert('P'),
    )
    for folder in (SOURCE, TARGET):
        paths = pictures(own_data, folder)
        for number, path in enumerate(paths):
            with Image.open(path) as image:
                rgb = np.asarray(image)
            kinds[number % len(kinds)](rgb).save(path)
    lengths = ['stages.translate.train_cfg.max_iters=2', f'{TRANSLATE}.pool_size=0']
    batch = 'stages.translate.train_dataloader.batch_size=4'
    assert run_tool(*train(*ONLY_TRANSLATE, *lengths, batch)).code == 0


@pytest.fixture
def checkpoints(tmp_path):
    """What stages of this config and of others leave, untrained."""
    init_default_scope('mmseg')
    cfg = Config.fromfile(CYCADA)
    own = cfg.model.translator.generator.to_dict() | dict(blocks=1, channels=4)
    networks = dict(
        segmentor=MODELS.build(cfg.model.segmentor),
        generator=MODELS.build(own),
        larger=MODELS.build(own | dict(blocks=2)),
        smaller=MODELS.build(own | dict(blocks=0)),
        unet=MODELS.build(dict(type='UnetGenerator', channels=4, downs=5)),
    )
    prefixes = dict(segmentor='segmentor.')
    for name, network in networks.items():
        prefix = prefixes.get(name, 'generators.source_to_target.')
        state = {prefix + key: value for key, value in network.state_dict().items()}
        torch.save(dict(state_dict=state, meta=dict(iter=1)), tmp_path / f'{name}.pth')


WRONG = {
    'a segmentor to translate with': (
        dict(source='segmentor', translate='segmentor'),
        'segment',
        'segmentor.pth: holds no generator',
    ),
    'a translator to start from': (
        dict(source='generator', translate='generator'),
        'segment',
        'generator.pth: does not fit the segmentor of this config (missing: backbone.',
    ),
    'a translator to keep classes by': (
        dict(source='generator'),
        'translate',
        'generator.pth: holds no segmentor',
    ),
    'a translator to align': (
        dict(source='segmentor', translate='generator', segment='generator'),
        'align',
        'generator.pth: does not fit the segmentor of this config (missing: backbone.',
    ),
    **{
        f'a generator that is {name}': (
            dict(source='segmentor', translate=name),
            'segment',
            f'{name}.pth: its generator is another network',
        )
        for name in ('larger', 'smaller', 'unet')
    },
}


@pytest.mark.parametrize('case', WRONG)
def test_a_checkpoint_of_another_stage_or_network_is_named(refused, checkpoints, case):
    given, stage, words = WRONG[case]
    options = [f'stages.{name}.checkpoint={file}.pth' for name, file in given.items()]
    assert words in refused(*train(f'stage={stage}', *options))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (['stages.segment.load_from=stage:align'], 'stage segment needs the result of stage align, '
         'which comes later; before it come: source, translate'),
        (['stages.align.load_from=stage:segmnt'], 'stage align needs the result of stage segmnt, '
         'which is not there'),
        (['stages.segment=None'], 'stage align needs the result of stage segment, which is not'),
        (['stages.alihn.train_cfg.max_iters=3'], 'there is no stage alihn; the config has the'),
        (['stage=alihn'], 'there is no stage alihn'),
        (['stages.source=train'], "stages.source is 'train', but has to be a dict"),
        (['stage=align'], 'stage align needs the result of stage translate, which has not ended'),
    ],
)  # fmt: skip
def test_stages_that_cannot_work_are_told(refused, options, words):
    assert words in refused(*train(*options))
