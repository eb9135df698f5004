"""Missing data is found before anything is built, and the message says how to get it."""

import shutil

import pytest
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset, CityscapesDataset

from mmseg_da.datasets.presence import check_data
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS
from mmseg_da.testing.toy_domains import make_toy_domains

SUFFIX = '_labelTrainIds.png'


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp('presence')
    make_toy_domains(root / 'toy', train=2, val=1)
    return root


@pytest.fixture(params=['toy', 'real'])
def data(request, drawn, tmp_path):
    """A folder with gta and cityscapes, once below `toy` and once not."""
    root = tmp_path / 'data' / request.param
    shutil.copytree(drawn / 'toy', root)
    return root


def config(root, **changes):
    source = dict(
        type='GTADataset',
        data_root=f'{root}/gta',
        data_prefix=dict(img_path='images', seg_map_path='labels'),
    )
    target = dict(
        type='CityscapesDataset',
        data_root=f'{root}/cityscapes',
        data_prefix=dict(img_path='leftImg8bit/train'),
    )
    val = target | dict(data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'))
    dataset = dict(type='SourceTargetDataset', source=source, target=target)
    loaders = dict(
        train_dataloader=dict(dataset=dataset),
        val_dataloader=dict(dataset=val),
        test_dataloader=None,
    )
    return Config(loaders | changes)


def problem(root, **changes):
    with pytest.raises(UserError) as error:
        check_data(config(root, **changes))
    return str(error.value)


def test_complete_data_passes(data):
    check_data(config(data))


def test_nothing_is_built(data, monkeypatch):
    monkeypatch.setattr(DATASETS, 'build', lambda *_: pytest.fail('built a dataset'))
    check_data(config(data))


@pytest.mark.parametrize(
    'folder',
    [
        'gta/images',
        'gta/labels',
        'cityscapes/leftImg8bit/train',
        'cityscapes/leftImg8bit/val',
        'cityscapes/gtFine/val',
    ],
)
def test_a_missing_folder_is_named(data, folder):
    shutil.rmtree(data / folder)
    said = problem(data)
    assert f'{data / folder}: no such folder' in said
    assert ('make toy' in said) == (data.name == 'toy')
    assert ('docs/data.md' in said) == (data.name == 'real')


def test_target_labels_need_not_be_there(data):
    shutil.rmtree(data / 'cityscapes/gtFine/train')
    check_data(config(data))


def test_target_labels_need_not_be_there_even_if_the_config_names_them(data):
    shutil.rmtree(data / 'cityscapes/gtFine/train')
    cfg = config(data)
    cfg.train_dataloader.dataset.target.data_prefix.seg_map_path = 'gtFine/train'
    check_data(cfg)


def test_the_root_itself_may_be_missing(tmp_path):
    assert f'{tmp_path}/nowhere/gta/images: no such folder' in problem(tmp_path / 'nowhere')


def test_an_empty_folder_names_the_suffix(data):
    for path in (data / 'gta/images').iterdir():
        path.unlink()
    said = problem(data)
    assert f"{data / 'gta/images'}: no image that ends in '.png'" in said
    assert 'img_suffix' in said


def test_unconverted_labels_name_the_converter(data):
    for path in (data / 'gta/labels').glob(f'*{SUFFIX}'):
        path.unlink()
    said = problem(data)
    assert f'{data}/gta/labels/00001{SUFFIX}: no such label' in said
    if data.name == 'real':
        assert f'python tools/dataset_converters/gta.py {data}/gta' in said


def test_unconverted_validation_labels_name_the_converter(data):
    for path in (data / 'cityscapes/gtFine/val').rglob(f'*{SUFFIX}'):
        path.unlink()
    said = problem(data)
    assert 'no such label' in said
    if data.name == 'real':
        assert f'python tools/dataset_converters/cityscapes.py {data}/cityscapes' in said


def test_a_missing_list_is_named_with_the_remedy(data):
    cfg = config(data)
    cfg.train_dataloader.dataset.source.ann_file = 'none.txt'
    with pytest.raises(UserError, match=r'gta/none\.txt: no such list of images\. \w+'):
        check_data(cfg)


def test_labels_of_a_list_are_looked_for_too(data):
    cfg = config(data)
    cfg.train_dataloader.dataset.source.ann_file = 'train.txt'
    check_data(cfg)
    for path in (data / 'gta/labels').glob(f'*{SUFFIX}'):
        path.unlink()
    with pytest.raises(UserError, match=f'{SUFFIX}: no such label'):
        check_data(cfg)


def test_an_empty_list_is_named(data):
    cfg = config(data)
    cfg.train_dataloader.dataset.source.ann_file = 'train.txt'
    (data / 'gta/train.txt').write_text('\n')
    with pytest.raises(UserError, match=r'gta/train\.txt: the list of images is empty'):
        check_data(cfg)


def test_an_image_of_a_list_that_is_not_there_is_named(data):
    cfg = config(data)
    cfg.train_dataloader.dataset.source.ann_file = 'train.txt'
    (data / 'gta/train.txt').write_text('00077\n')
    with pytest.raises(UserError, match=r'gta/images: no image 00077\.png'):
        check_data(cfg)


def test_every_one_of_several_sources_is_looked_for(data):
    cfg = config(data)
    source = cfg.train_dataloader.dataset.source
    cfg.train_dataloader.dataset.source = [source, source | dict(data_root=f'{data}/gta2')]
    with pytest.raises(UserError, match='gta2/images'):
        check_data(cfg)


def test_wrapped_datasets_are_looked_into(data):
    cfg = config(data)
    wrapped = dict(type='RepeatDataset', times=2, dataset=cfg.val_dataloader.dataset)
    cfg.val_dataloader.dataset = wrapped
    check_data(cfg)
    shutil.rmtree(data / 'cityscapes/gtFine/val')
    with pytest.raises(UserError, match='gtFine/val'):
        check_data(cfg)


def test_other_suffixes_are_obeyed(data):
    cfg = config(data)
    cfg.train_dataloader.dataset.source.img_suffix = '.jpg'
    with pytest.raises(UserError, match=r"'\.jpg'"):
        check_data(cfg)


def test_data_elsewhere_is_left_alone(tmp_path):
    cfg = config('s3://bucket')
    check_data(cfg)
    cfg = config(tmp_path / 'nowhere')
    for each in (*cfg.train_dataloader.dataset.values(), cfg.val_dataloader.dataset):
        if not isinstance(each, str):
            each.backend_args = dict(backend='petrel')
    check_data(cfg)


def test_a_config_without_loaders_passes():
    check_data(Config(dict(model=dict(type='EncoderDecoder'))))


@DATASETS.register_module()
class FixedSuffixDataset(BaseSegDataset):
    """Says its suffixes where only building it would tell."""

    METAINFO = dict(classes=('a', 'b'), palette=[[0, 0, 0], [9, 9, 9]])

    def __init__(self, **kwargs) -> None:
        super().__init__(img_suffix='.jpg', seg_map_suffix='_gt.png', **kwargs)


def fixed(root, **changes):
    (root / 'images').mkdir(parents=True)
    (root / 'images/1.jpg').touch()
    (root / 'train.txt').write_text('1\n')
    prefix = dict(img_path='images', seg_map_path='images')
    cfg = dict(type='FixedSuffixDataset', data_root=str(root), data_prefix=prefix, pipeline=[])
    return cfg | changes


@pytest.mark.parametrize('ann_file', ['', 'train.txt'])
def test_suffixes_that_the_class_keeps_to_itself_are_not_guessed(tmp_path, ann_file):
    cfg = fixed(tmp_path / 'mine', ann_file=ann_file)
    assert len(DATASETS.build(cfg)) == 1
    check_data(dict(train_dataloader=dict(dataset=cfg)))


def test_the_list_of_such_a_class_is_looked_for(tmp_path):
    cfg = fixed(tmp_path / 'mine', ann_file='none.txt')
    with pytest.raises(UserError, match=r'none\.txt: no such list'):
        check_data(dict(train_dataloader=dict(dataset=cfg)))


def test_folders_that_the_class_keeps_to_itself_are_not_guessed(tmp_path):
    cfg = fixed(tmp_path / 'mine', ann_file='train.txt', img_suffix='.jpg', data_prefix=None)
    check_data(dict(train_dataloader=dict(dataset=cfg)))
    cfg['data_root'] = f'{tmp_path}/nowhere'
    with pytest.raises(UserError, match='nowhere: no such folder'):
        check_data(dict(train_dataloader=dict(dataset=cfg)))


def test_linked_folders_are_looked_into(data):
    (data / 'cityscapes/leftImg8bit/train').rename(data / 'elsewhere')
    (data / 'cityscapes/leftImg8bit/train').mkdir()
    (data / 'cityscapes/leftImg8bit/train/city').symlink_to(data / 'elsewhere/toyburg')
    check_data(config(data))


def test_a_training_needs_no_test_data(data):
    cfg = config(data)
    cfg.test_dataloader = dict(dataset=dict(type='CityscapesDataset', data_root='nowhere'))
    check_data(cfg)
    with pytest.raises(UserError, match='nowhere: no such folder'):
        check_data(cfg, ['test_dataloader'])


@pytest.mark.parametrize(
    ('folder', 'command'),
    [
        ('gta/images', 'gta.py {}/gta'),
        ('gta/labels', 'gta.py {}/gta'),
        ('cityscapes/leftImg8bit/val', 'cityscapes.py {}/cityscapes'),
        ('cityscapes/gtFine/val', 'cityscapes.py {}/cityscapes'),
    ],
)
def test_a_missing_folder_names_the_converter_that_follows(data, folder, command):
    shutil.rmtree(data / folder)
    said = problem(data)
    told = f'Then run `python tools/dataset_converters/{command.format(data)}`' in said
    assert told == (data.name == 'real')


@pytest.mark.parametrize('kind', ['mmseg.CityscapesDataset', CityscapesDataset])
def test_the_converter_is_known_by_scope_or_class_too(drawn, tmp_path, kind):
    shutil.copytree(drawn / 'toy/cityscapes', tmp_path / 'mine')
    for path in (tmp_path / 'mine/gtFine/val').rglob(f'*{SUFFIX}'):
        path.unlink()
    val = config(tmp_path).val_dataloader.dataset.to_dict()
    val |= dict(type=kind, data_root=f'{tmp_path}/mine')
    with pytest.raises(UserError, match=f'Run .*cityscapes.py {tmp_path}/mine`'):
        check_data(dict(val_dataloader=dict(dataset=val)))
