"""Mistakes in a config beyond those of test_train.py: the key or file is named, nothing is written."""

import pytest
from tool_helpers import SHORT, TOY

CRITIC = 'model.objectives.adv_decode'
SOURCE = 'train_dataloader.dataset.source'
HEAD = 'model.segmentor.decode_head'

# What is set, and words of the message.
SETTINGS = {
    'train_dataloader.batch_size=-1': ['train_dataloader.batch_size is -1', '1 or more'],
    'train_dataloader.batch_size=four': ["train_dataloader.batch_size is 'four'"],
    'train_dataloader.batch_size=None': ['train_dataloader.batch_size is None'],
    'val_dataloader.batch_size=0': ['val_dataloader.batch_size is 0'],
    'train_dataloader.num_workers=-1': ['train_dataloader.num_workers is -1', '0 or more'],
    'train_cfg.max_iters=-3': ['train_cfg.max_iters is -3'],
    'train_cfg.max_iters=many': ["train_cfg.max_iters is 'many'"],
    'train_cfg.val_interval=0': ['train_cfg.val_interval is 0'],
    'train_cfg.val_interval=often': ["train_cfg.val_interval is 'often'"],
    'optim_wrapper.accumulative_counts=0': ['optim_wrapper.accumulative_counts is 0'],
    'optim_wrapper.segmentor.optimizer.lr=fast': ["segmentor.optimizer.lr is 'fast'"],
    'optim_wrapper.segmentor.optimizer.lr=-1': ['segmentor.optimizer.lr is -1'],
    'optim_wrapper.segmentor.optimizer.type=None': ['segmentor.optimizer.type is None'],
    'optim_wrapper.segmentor.optimizer=SGD': ["segmentor.optimizer is 'SGD'"],
    'optim_wrapper.clip_grad.max_normm=1': ['clip_grad.max_normm is 1', 'max_norm'],
    'model.data_preprocessor.size_divisor=32': ['model.data_preprocessor.size_divisor is 32'],
    'model.data_preprocessor.mean=[1,2]': ['model.data_preprocessor.mean is [1, 2]', '58.395'],
    f'{CRITIC}.discriminator=None': [f'{CRITIC}.discriminator is None', 'PixelDiscriminator'],
    f'{CRITIC}.loss_weight=big': [f"{CRITIC}.loss_weight is 'big'"],
    f'{CRITIC}.loss_weight=-1': [f'{CRITIC}.loss_weight is -1'],
    'model.objectives=None': ['model.objectives is None'],
    'model.objectives=[1]': ['model.objectives is [1]'],
    'model.objectives.seg=SourceSupervision': ["model.objectives.seg is 'SourceSupervision'"],
    'model.segmentor=None': ['model.segmentor is None'],
    'model.segmentor.type=None': ['model.segmentor.type is None'],
    'model.type=None': ['model.type is None'],
    'model=None': ['`model` is missing'],
    'train_dataloader.dataset=None': ['train_dataloader.dataset is None'],
    'train_dataloader.dataset.type=None': ['train_dataloader.dataset.type is None'],
    "val_evaluator.iou_metrics=['mBad']": ["val_evaluator.iou_metrics is ['mBad']", 'mIoU'],
}
OTHERS = {
    f'{CRITIC}.head=aux': ["no head 'aux'", "['decode']"],
    f'{CRITIC}.of=logit': ["of='logit'", 'logits'],
    f'{CRITIC}.kind=wgan': ["kind='wgan'", 'lsgan'],
    f'{CRITIC}.discriminator.type=Nope': ['Nope is not in', 'adaptsegnet_toy.py'],
    'model.backward=never': ["model.backward is 'never'", 'stages'],
    'model.data_preprocessor.type=ImgDataPreprocessor': ['ImgDataPreprocessor'],
    'model.data_preprocessor.size=None': ['data_preprocessor: training needs `size`'],
    'model.data_preprocessor.colour=1': ["unexpected keyword argument 'colour'"],
    'model.segmentor.backbone.depth=19': ['adaptsegnet_toy.py: invalid depth 19'],
    'optim_wrapper.segmentor.optimizer.momentumm=1': ["unexpected keyword argument 'momentumm'"],
    'optim_wrapper.segmentor=None optim_wrapper.discriminators=None': [
        'optim_wrapper',
        'discriminators',
        'segmentor',
    ],
    'optim_wrapper=None': ['train_dataloader, train_cfg, and optim_wrapper'],
    'train_dataloader=None': ['train_dataloader, train_cfg, and optim_wrapper'],
    'train_cfg.type=Nope': ['Nope is not in', 'loop'],
    'val_evaluator=None': ['val_dataloader, val_cfg, and val_evaluator'],
    'runner_type=Nope': ['Nope is not in', 'runner'],
    'default_scope=nope': ['adaptsegnet_toy.py'],
    'default_hooks.checkpoint.save_best=mBest': ['mBest'],
    'param_scheduler.0.powerr=3': ['powerr'],
    'visualizer.type=Nope': ['Nope is not in', 'visualizer'],
    'log_level=LOUD': ['LOUD'],
    'train_dataloader.sampler=None': ["sampler=dict(type='SourceTargetSampler')"],
    'train_dataloader.sampler.shufle=True': ["unexpected keyword argument 'shufle'"],
    'train_dataloader.dataset.type=Pairs': ['Pairs is not in', 'dataset'],
    'train_dataloader.dataset.target=None': ['target dataset: the list is empty'],
    f"{SOURCE}.metainfo.classes=('road','car')": ['classes of the two domains differ', "'pole'"],
    f"{SOURCE}.metainfo.classes=('road','unicorn')": ['unicorn', 'is not a subset'],
    f'{SOURCE}.pipeline=None': ["source dataset: its pipeline does not end in dict(type='PackSeg"],
    f'{SOURCE}.pipeline.1.type=RandomFlip {SOURCE}.pipeline.1.prob=0.5': [
        'source dataset: its pipeline loads no labels',
        'LoadAnnotations',
    ],
}


@pytest.mark.parametrize('options', [*SETTINGS, *OTHERS])
def test_a_mistake_is_told_with_its_key(refused, options):
    words = {**SETTINGS, **OTHERS}[options]
    said = refused('train.py', TOY, '--cfg-options', *SHORT, *options.split())
    assert all(word in said for word in words)
    if options in SETTINGS:
        assert said.startswith(f'error: {TOY}: ')


@pytest.mark.parametrize(
    ('option', 'part'),
    [
        (
            f'{HEAD}.in_channels=[16,32,64,100]',
            f'{HEAD}.convs.3.conv: RuntimeError: Given groups=1',
        ),
        (f'{HEAD}.in_index=[0,1,2,7]', f'{HEAD}: IndexError'),
    ],
)
def test_parts_that_do_not_fit_are_named_by_the_first_iteration(refused, option, part):
    said = refused('train.py', TOY, '--cfg-options', *SHORT, option)
    assert f'{TOY}: the first training iteration failed in {part}' in said
    assert 'MMSEG_DA_DEBUG=1' in said


def test_the_first_test_iteration_names_them_too(refused, trained):
    options = [*SHORT, 'model.data_preprocessor.test_cfg.size_divisor=large']
    said = refused('test.py', TOY, trained / 'iter_2.pth', '--cfg-options', *options)
    assert f'{TOY}: the first test iteration failed in model.data_preprocessor: TypeError' in said


FILES = {
    'two keys of one name in a call': ('model = dict(type=1, type=2)', 'keyword argument repeated'),
    'an indent': ('  model = 1', 'unexpected indent'),
    'a name that is not there': ('model = dict(type=name)', "'name' is not defined"),
    'a base that is no config': ("_base_ = './data.txt'", 'Only py/yml'),
    'a key of two bases': ("_base_ = ['./one.py', './one.py']", 'Duplicate key'),
    'a list for a dict of the base': ("_base_ = './one.py'\nmodel = dict(a=dict(b=1))", 'a='),
    'an unknown variable': ("x = '{{$MMSEG_DA_NO_SUCH_VARIABLE:}}'", 'MMSEG_DA_NO_SUCH_VARIABLE'),
}


@pytest.mark.parametrize('case', FILES)
@pytest.mark.parametrize('tool', ['train.py', 'print_config.py'])
def test_a_file_that_is_no_config_is_told(refused, tmp_path, case, tool):
    text, word = FILES[case]
    (tmp_path / 'mine.py').write_text(text)
    (tmp_path / 'one.py').write_text('model = dict(a=[1])')
    (tmp_path / 'data.txt').write_text('no config')
    said = refused(tool, 'mine.py')
    assert said.startswith('error: mine.py: not a valid config: ')
    assert word in said


@pytest.mark.parametrize('content', [b'\xff\xfe\x00', b'\x89PNG\r\n'])
def test_a_file_that_is_no_text_is_told(refused, tmp_path, content):
    (tmp_path / 'mine.py').write_bytes(content)
    assert 'mine.py: not a valid config' in refused('train.py', 'mine.py')


def test_a_folder_is_no_config(refused, tmp_path):
    (tmp_path / 'mine.py').mkdir()
    assert refused('train.py', 'mine.py') == 'error: mine.py: no such config file'


def test_an_earlier_run_in_the_folder_is_left_as_it_was(refused, trained, tmp_path):
    """Its copy of the config would be written over before the mistake shows."""
    work_dir = tmp_path / 'w'
    work_dir.mkdir()
    (work_dir / 'adaptsegnet_toy.py').write_text('mine = 1')
    args = ['--work-dir', work_dir, '--cfg-options', *SHORT]
    refused('train.py', TOY, *args, f'{HEAD}.in_index=[0,1,2,7]')
    refused('train.py', TOY, *args, 'model.segmentor.backbone.depth=19')
