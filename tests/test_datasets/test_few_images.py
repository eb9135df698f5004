"""A few labelled target images: a fixed choice, and nothing read beyond it."""

import itertools
import json
import shutil

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from test_source_target import FLIP, GRID, JITTER, LABEL, LOAD, PACK, TARGET, Folder, pixels

from mmseg_da.datasets import Draw, SourceTargetDataset, SourceTargetSampler, choose_few
from mmseg_da.datasets.one_domain import OneDomain
from mmseg_da.datasets.presence import check_data
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

NAMES = [f'city/{number:03d}' for number in range(200)]


def test_the_choice_is_fixed_for_ever():
    assert choose_few(NAMES, 5) == ['city/006', 'city/030', 'city/074', 'city/077', 'city/162']


def test_the_choice_does_not_depend_on_the_order_of_names():
    assert choose_few(NAMES[::-1], 7, seed=3) == choose_few(NAMES, 7, seed=3)


def test_fewer_are_among_more():
    chosen = [set(choose_few(NAMES, num, seed=1)) for num in (1, 5, 50, 100, 200)]
    assert [len(each) for each in chosen] == [1, 5, 50, 100, 200]
    assert all(few < more for few, more in itertools.pairwise(chosen))


def test_seeds_choose_independently():
    chosen = [frozenset(choose_few(NAMES, 20, seed)) for seed in range(50)]
    assert len(set(chosen)) == 50
    often = sum(name in each for each in chosen for name in NAMES[:100])
    assert 400 < often < 600  # of 1000; no part of the names is preferred


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ((NAMES, 201), 'num is 201, but there are only 200 images'),
        ((NAMES, 0), 'num is 0'),
        ((NAMES, -1), 'num is -1'),
        ((NAMES, 2.5), 'num is 2.5'),
        ((NAMES, True), 'num is True'),
        ((NAMES, '5'), "num is '5'"),
        ((NAMES, 5, -1), 'seed is -1'),
        ((NAMES, 5, None), 'seed is None'),
    ],
)
def test_numbers_that_do_not_fit_are_told(arguments, words):
    with pytest.raises(UserError, match=words):
        choose_few(*arguments)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def source(folder):
    return folder('source', [GRID] * 3)


@pytest.fixture
def full(folder):
    """Ten target images with their labels."""
    return folder('target', [np.full((4, 6), number % 3) for number in range(10)])


def few(dataset, num=3, seed=0):
    return dict(type='FewImages', dataset=dataset, num=num, seed=seed)


def paths(dataset):
    return [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]


def test_a_few_images_are_an_ordinary_dataset(full):
    whole, part = DATASETS.build(full), DATASETS.build(few(full))
    chosen = choose_few([f'{number:03d}' for number in range(10)], 3)
    assert len(part) == 3
    assert [path.rsplit('/')[-1][:3] for path in paths(part)] == chosen
    assert set(paths(part)) < set(paths(whole))
    assert part.metainfo['few_images'] == chosen
    assert part.metainfo['classes'] == whole.metainfo['classes']


def test_a_choice_is_made_of_a_list_too(full, folder):
    names = [f'{number:03d}' for number in (9, 1, 4, 6)]
    (folder.root / 'target/some.txt').write_text('\n'.join(names))
    part = DATASETS.build(few(full | dict(ann_file='some.txt'), num=2))
    assert part.metainfo['few_images'] == choose_few(names, 2)


def test_the_choice_is_logged(full, caplog, monkeypatch):
    said = []
    monkeypatch.setattr('mmseg_da.datasets.few_images.print_log', lambda *args: said.append(args))
    chosen = DATASETS.build(few(full)).metainfo['few_images']
    assert said == [(f'FewImages: 3 of 10 images, seed 0: {", ".join(chosen)}', 'current')]


def labels_in(item):
    return set(item['labelled']['data_samples'].gt_sem_seg.data.flatten().tolist())


@pytest.fixture
def three(source, full):
    """Source, target and three labelled images of it."""
    return SourceTargetDataset(source, full | TARGET, labelled=few(full))


def test_labelled_images_are_a_third_domain(three):
    assert set(three[0]) == {'source', 'target', 'labelled'}
    for number, name in enumerate(three.metainfo['few_images']):
        item = three[Draw(0, 0, 0, number)]
        assert item['labelled']['data_samples'].img_path.endswith(f'{name}.png')
        assert labels_in(item) == {int(name) % 3}
        assert 'gt_sem_seg' not in item['target']['data_samples']
    batch = pseudo_collate([three[0], three[1]])
    assert len(batch['labelled']['inputs']) == 2


def test_a_checkpoint_keeps_their_names(three):
    kept = json.loads(json.dumps(three.metainfo))  # which mmengine puts into its meta
    assert kept['few_images'] == choose_few([f'{n:03d}' for n in range(10)], 3)


def test_no_other_label_of_the_target_is_read(source, full, folder):
    dataset = SourceTargetDataset(source, full | TARGET, labelled=few(full))
    kept = dataset.metainfo['few_images']
    for path in (folder.root / 'target/labels').iterdir():
        if path.stem not in kept:
            path.write_bytes(b'no label')
    sampler = SourceTargetSampler(dataset, seed=0)
    seen = [dataset[sampler.draw(position)] for position in range(20)]
    assert {item['target']['data_samples'].img_path for item in seen} == set(paths(dataset.target))
    assert all('gt_sem_seg' not in item['target']['data_samples'] for item in seen)
    for path in (folder.root / 'target/labels').iterdir():
        if path.stem not in kept:
            path.unlink()
    assert len(SourceTargetDataset(source, full | TARGET, labelled=few(full)).labelled) == 3


def test_labels_of_the_target_are_still_refused(source, full):
    with pytest.raises(UserError, match='target dataset: its pipeline has LoadAnnotations'):
        SourceTargetDataset(source, full, labelled=few(full))


def test_the_others_augmentation_stays_the_same(source, full):
    source = source | dict(pipeline=[LOAD, LABEL, FLIP, JITTER, PACK])
    target = full | dict(pipeline=[LOAD, FLIP, JITTER, PACK])
    labelled = full | dict(pipeline=[LOAD, LABEL, FLIP, JITTER, PACK])
    without = SourceTargetDataset(source, target)
    dataset = SourceTargetDataset(source, target, labelled=few(labelled))
    for seed in range(5):
        ours, theirs = dataset[Draw(1, 2, seed, 0)], without[Draw(1, 2, seed)]
        assert pixels(ours).equal(pixels(theirs))


def test_a_list_names_them_by_hand(source, full, folder):
    (folder.root / 'target/mine.txt').write_text('007\n002\n')
    labelled = full | dict(ann_file='mine.txt')
    dataset = SourceTargetDataset(source, full | TARGET, labelled=labelled)
    assert len(dataset.labelled) == 2
    assert labels_in(dataset[Draw(0, 0, 0, 0)]) == {7 % 3}


@pytest.mark.parametrize('what', ['image', 'label'])
def test_a_missing_file_of_the_list_is_named(source, full, folder, what):
    (folder.root / 'target/mine.txt').write_text('007\n002\n')
    (folder.root / f'target/{what}s/002.png').unlink()
    labelled = full | dict(ann_file='mine.txt')
    with pytest.raises(UserError, match=rf'{what}s/002\.png: no such {what}, which .*mine\.txt'):
        SourceTargetDataset(source, full | TARGET, labelled=labelled)


def test_a_missing_label_of_a_chosen_image_is_named(full, folder):
    name = DATASETS.build(few(full)).metainfo['few_images'][1]
    (folder.root / f'target/labels/{name}.png').unlink()
    with pytest.raises(UserError, match=rf'FewImages: .*labels/{name}\.png: no such label'):
        DATASETS.build(few(full))


def test_a_name_that_is_there_twice_is_told(source, full, folder):
    (folder.root / 'target/mine.txt').write_text('007\n002\n007\n')
    labelled = full | dict(ann_file='mine.txt')
    for cfg in (labelled, few(labelled, num=2)):
        with pytest.raises(UserError, match=r'mine\.txt: .*images/007\.png is there twice'):
            SourceTargetDataset(source, full | TARGET, labelled=cfg)


def test_more_than_there_are_is_told(source, full):
    with pytest.raises(UserError, match='num is 11, but there are only 10 images'):
        SourceTargetDataset(source, full | TARGET, labelled=few(full, num=11))


def test_several_datasets_at_once_are_refused(full):
    several = dict(type='ConcatDataset', datasets=[full, full])
    with pytest.raises(UserError, match='ConcatDataset is no dataset of image files'):
        DATASETS.build(few(several))


def test_labelled_images_without_labels_are_told(source, full):
    dataset = SourceTargetDataset(source, full | TARGET, labelled=few(full | TARGET))
    with pytest.raises(UserError, match='labelled dataset: its pipeline loads no labels'):
        dataset[0]


def test_labelled_images_of_other_classes_are_told(source, full):
    other = full | dict(metainfo=dict(classes=('road', 'car', 'sky')))
    with pytest.raises(UserError, match='target datasets differ in their classes'):
        SourceTargetDataset(source, full | TARGET, labelled=few(other))


def test_a_label_that_is_no_class_is_told(source, folder):
    wrong = folder('wrong', [np.full((4, 6), 7)] * 2)
    dataset = SourceTargetDataset(source, wrong | TARGET, labelled=few(wrong, num=1))
    with pytest.raises(UserError, match=r'wrong/labels/00\d\.png: label 7 is none of the 3'):
        dataset[0]


def test_missing_folders_are_told_before_anything_is_built(source, full, folder):
    dataset = dict(
        type='SourceTargetDataset', source=source, target=full | TARGET, labelled=few(full)
    )
    check_data(dict(train_dataloader=dict(dataset=dataset)))
    shutil.rmtree(folder.root / 'target/labels')
    with pytest.raises(UserError, match=r'target/labels: no such folder'):
        check_data(dict(train_dataloader=dict(dataset=dataset)))


def test_they_are_browsed_as_a_domain_of_their_own(source, full, folder):
    cfg = dict(type='SourceTargetDataset', source=source, target=full | TARGET, labelled=few(full))
    shutil.rmtree(folder.root / 'source')
    dataset = OneDomain(cfg, 'labelled')
    assert len(dataset) == 3
    assert 'gt_sem_seg' in dataset[2]['data_samples']
    shutil.rmtree(folder.root / 'target/labels')
    assert len(OneDomain(cfg, 'target')) == 10
    with pytest.raises(UserError, match='no labelled target images'):
        OneDomain(cfg | dict(labelled=None), 'labelled')


@pytest.mark.stack
@pytest.mark.parametrize('workers', [0, 1])
def test_a_plain_loader_of_mmengine_reads_them(full, workers):
    loader = Runner.build_dataloader(
        dict(
            batch_size=3,
            num_workers=workers,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=few(full),
            collate_fn=dict(type='pseudo_collate'),
        )
    )
    (batch,) = loader
    chosen = loader.dataset.metainfo['few_images']
    found = [sample.img_path.rsplit('/')[-1] for sample in batch['data_samples']]
    assert found == [f'{name}.png' for name in chosen]


def test_a_few_images_can_be_the_source(full):
    dataset = SourceTargetDataset(few(full), full | TARGET)
    assert len(dataset) == 3
    assert dataset.metainfo['few_images'] == choose_few([f'{n:03d}' for n in range(10)], 3)
