"""Starting from a checkpoint of other classes: exactly the classifiers change, row by row."""

import pytest
import torch
from checkpoint_helpers import load
from finetune_helpers import (
    CLASSIFIERS,
    OTHER_CLASSES,
    SOURCE_CLASSES,
    adaptor_settings,
    plain_config,
    trained,
)

from mmseg_da.engine import launch
from mmseg_da.engine.class_sets import classes_in
from mmseg_da.engine.hooks import ClassSurgeryHook
from mmseg_da.errors import UserError

pytestmark = pytest.mark.stack
OURS = [name.lower() for name in OTHER_CLASSES]


@pytest.fixture(scope='module')
def source(toy_data, tmp_path_factory):
    """A checkpoint of the source classes."""
    work_dir = tmp_path_factory.mktemp('source')
    trained(plain_config(toy_data, work_dir, SOURCE_CLASSES))
    return work_dir / 'iter_2.pth'


@pytest.fixture(scope='module')
def initial(toy_data, tmp_path_factory):
    """What the model of the other classes is initialised to."""
    cfg = plain_config(toy_data, tmp_path_factory.mktemp('initial'), OTHER_CLASSES, 1)
    return trained(cfg)[1].weights


@pytest.fixture
def start(toy_data, tmp_path, source):
    """Start a training of some classes from the source; gives its first weights and the report."""

    def run(classes=OTHER_CLASSES, surgery=None, checkpoint=None, **settings):
        if surgery is not None:
            settings['custom_hooks'] = [dict(type='ClassSurgeryHook', **surgery)]
        options = dict(load_from=str(checkpoint or source)) | settings
        runner, snapshot = trained(plain_config(toy_data, tmp_path / 'w', classes, 1, **options))
        hooks = [each for each in runner.hooks if isinstance(each, ClassSurgeryHook)]
        return snapshot.weights, hooks[0].report if hooks else None

    return run


def same(weights, other, names):
    return {name: torch.equal(weights[name], other[name]) for name in names}


def test_dropping_leaves_the_four_tensors_as_initialised(start, source, initial):
    weights, report = start(surgery=dict(mode='drop'))
    theirs = load(source)['state_dict']
    others = [name for name in theirs if name not in CLASSIFIERS]
    assert report.initialised == CLASSIFIERS
    assert report.loaded == others
    assert report.remapped == report.unused == []
    assert (report.copied, report.anew) == ({}, OURS)
    assert all(same(weights, initial, CLASSIFIERS).values())
    assert all(same(weights, theirs, others).values())
    for name in CLASSIFIERS:  # N(0, 0.01) and zero
        assert 0 < weights[name].std() < 0.03 if 'weight' in name else not weights[name].any()


def test_dropping_fits_another_number_of_classes(start, source):
    _, report = start(('road', 'car', 'pole'), dict(mode='drop'))
    assert report.initialised == CLASSIFIERS
    assert len(report.loaded) == len(load(source)['state_dict']) - 4


def test_remapping_copies_rows_by_name(start, source, initial):
    weights, report = start(surgery=dict(mode='remap'))
    theirs = load(source)['state_dict']
    assert report.remapped == CLASSIFIERS
    assert report.initialised == report.unused == []
    assert report.copied == {'sky': 'sky', 'road': 'road'}
    assert report.anew == ['building', 'vegetation']
    for name in CLASSIFIERS:
        assert torch.equal(weights[name][0], theirs[name][2])
        assert torch.equal(weights[name][2], theirs[name][0])
        assert torch.equal(weights[name][[1, 3]], initial[name][[1, 3]])


def test_remapping_by_another_name_and_away_from_a_name(start, source, initial):
    names = {'building': 'person', 'sky': None}
    weights, report = start(surgery=dict(mode='remap', names=names))
    theirs = load(source)['state_dict']
    assert report.copied == {'building': 'person', 'road': 'road'}
    for name in CLASSIFIERS:
        assert torch.equal(weights[name][1], theirs[name][3])
        assert torch.equal(weights[name][0], initial[name][0])


def test_remapping_to_more_classes(start, source):
    classes = ('person', 'pole', 'terrain', 'car', 'sidewalk', 'road')
    weights, report = start(classes, dict(mode='remap'))
    theirs = load(source)['state_dict']
    assert report.copied == {'person': 'person', 'car': 'car', 'road': 'road'}
    for name in CLASSIFIERS:
        assert len(weights[name]) == 6
        assert torch.equal(weights[name][[0, 3, 5]], theirs[name][[3, 1, 0]])


def test_keeping_takes_the_same_classes_alone(start, source):
    weights, report = start(SOURCE_CLASSES, dict(mode='keep'))
    theirs = load(source)['state_dict']
    assert report.loaded == list(theirs)
    assert all(same(weights, theirs, theirs).values())
    with pytest.raises(UserError, match=r"class 0 is 'road' in the checkpoint and 'sky' in the tr"):
        start(OTHER_CLASSES, dict(mode='keep'))
    with pytest.raises(UserError, match='has 4 classes and the training data 3'):
        start(SOURCE_CLASSES[:3], dict(mode='keep'))


def test_keeping_under_other_names(start, source):
    classes = ('road', 'building', 'sky', 'person')
    weights, _ = start(classes, dict(mode='keep', names=dict(building='car')))
    assert all(same(weights, load(source)['state_dict'], CLASSIFIERS).values())
    with pytest.raises(UserError, match=r"class 1 is 'car' .* names=\{'building': 'car'\}"):
        start(classes, dict(mode='keep'))


def test_as_many_other_classes_are_refused_without_a_hook(start, source):
    said = (
        r'iter_2\.pth: its classifier is of other classes .* both have 4: class 0 is '
        r"'road' there and 'sky' here.*mode='remap'.*mode='drop'.*names=\{'sky': 'road'\}"
    )
    with pytest.raises(UserError, match=said):
        start()
    with pytest.raises(UserError, match="class 1 is 'car' there and 'sky' here"):
        start(('road', 'sky', 'car', 'person'))  # the same in another order


def test_the_same_classes_and_another_number_start_without_a_hook(start, source):
    weights, _ = start(SOURCE_CLASSES)
    assert all(same(weights, load(source)['state_dict'], CLASSIFIERS).values())
    start(('road', 'car', 'pole'))  # mmengine leaves the classifier out, and says so


def without_classes(path, source, **meta):
    checkpoint = load(source)
    checkpoint['meta'] = {k: v for k, v in checkpoint['meta'].items() if k != 'dataset_meta'} | meta
    torch.save(checkpoint, path)
    return path


def test_a_checkpoint_without_classes_starts_with_a_warning(start, source, tmp_path):
    start(checkpoint=without_classes(tmp_path / 'other.pth', source))
    (log,) = (tmp_path / 'w').glob('*/*.log')
    assert 'other.pth does not say which classes its weights are of' in log.read_text()


@pytest.mark.parametrize('mode', ['remap', 'keep'])
def test_a_checkpoint_without_classes_needs_them_given(start, source, tmp_path, mode):
    file = without_classes(tmp_path / 'other.pth', source)
    with pytest.raises(UserError, match=r'does not say its classes.*source_classes=\[\.\.\.\]'):
        start(SOURCE_CLASSES, dict(mode=mode), file)
    _, report = start(SOURCE_CLASSES, dict(mode=mode, source_classes=SOURCE_CLASSES), file)
    assert mode == 'keep' or list(report.copied) == list(SOURCE_CLASSES)


def test_weights_alone_are_changed_too(start, source, tmp_path, initial):
    torch.save(load(source)['state_dict'], tmp_path / 'weights.pth')
    surgery = dict(mode='remap', source_classes=SOURCE_CLASSES)
    weights, _ = start(surgery=surgery, checkpoint=tmp_path / 'weights.pth')
    theirs = load(source)['state_dict']
    assert torch.equal(weights[CLASSIFIERS[0]][0], theirs[CLASSIFIERS[0]][2])
    assert torch.equal(weights[CLASSIFIERS[0]][1], initial[CLASSIFIERS[0]][1])


def test_classes_as_mmseg_0_notes_them(start, source, tmp_path):
    file = without_classes(tmp_path / 'old.pth', source, CLASSES=SOURCE_CLASSES)
    assert classes_in(load(file)) == SOURCE_CLASSES
    with pytest.raises(UserError, match="class 0 is 'road' there and 'sky' here"):
        start(checkpoint=file)


def test_the_log_says_what_was_done(start, tmp_path):
    start(surgery=dict(mode='remap', names=dict(building='person')))
    (log,) = (tmp_path / 'w').glob('*/*.log')
    text = log.read_text()
    assert 'ClassSurgeryHook, mode remap: 4 classes in the checkpoint, 4 here.' in text
    assert f'copied by class: {", ".join(CLASSIFIERS)}' in text
    assert 'left as initialised: none' in text
    assert 'classes copied: sky, building (of person), road' in text
    assert 'classes started anew: vegetation' in text


@pytest.mark.parametrize('mode', ['drop', 'remap'])
def test_an_adaptor_starts_from_a_plain_segmentor(start, source, toy_data, initial, mode):
    settings = adaptor_settings(toy_data, OTHER_CLASSES)
    weights, report = start(surgery=dict(mode=mode), **settings)
    names = [f'segmentor.{name}' for name in CLASSIFIERS]
    assert (report.initialised if mode == 'drop' else report.remapped) == names
    theirs = load(source)['state_dict']
    assert report.loaded == [f'segmentor.{n}' for n in theirs if n not in CLASSIFIERS]
    for name in CLASSIFIERS:
        assert torch.equal(weights[f'segmentor.{name}'][1], initial[name][1])
        assert torch.equal(weights[f'segmentor.{name}'][0], theirs[name][2]) == (mode == 'remap')
    with pytest.raises(UserError, match="class 0 is 'road' there and 'sky' here"):
        start(**adaptor_settings(toy_data, OTHER_CLASSES))


def test_a_plain_segmentor_starts_from_an_adaptor(start, source, toy_data, tmp_path):
    checkpoint = load(source)
    state = {f'segmentor.{key}': value for key, value in checkpoint['state_dict'].items()}
    torch.save(checkpoint | dict(state_dict=state), tmp_path / 'adaptor.pth')
    weights, report = start(surgery=dict(mode='drop'), checkpoint=tmp_path / 'adaptor.pth')
    assert report.initialised == CLASSIFIERS
    others = [name for name in checkpoint['state_dict'] if name not in CLASSIFIERS]
    assert all(same(weights, checkpoint['state_dict'], others).values())
    with pytest.raises(UserError, match="class 0 is 'road' there and 'sky' here"):
        start(checkpoint=tmp_path / 'adaptor.pth')
    weights, _ = start(SOURCE_CLASSES, checkpoint=tmp_path / 'adaptor.pth')
    assert all(same(weights, checkpoint['state_dict'], CLASSIFIERS).values())


def test_a_resume_and_a_test_are_left_alone(toy_data, tmp_path, source):
    surgery = dict(custom_hooks=[dict(type='ClassSurgeryHook', mode='drop')])
    cfg = plain_config(toy_data, tmp_path, OTHER_CLASSES, load_from=str(source), **surgery)
    trained(cfg)
    before = load(tmp_path / 'iter_2.pth')['state_dict']
    cfg = plain_config(toy_data, tmp_path, OTHER_CLASSES, 4, resume=True, **surgery)
    _, snapshot = trained(cfg)
    assert all(same(snapshot.weights, before, before).values())
    cfg = plain_config(toy_data, tmp_path, OTHER_CLASSES, load_from=str(source), **surgery)
    dataset = cfg.train_dataloader.dataset.dataset
    dataset.pipeline = [each for each in dataset.pipeline if each.type != 'RandomFlip']
    cfg.test_dataloader = dict(batch_size=1, dataset=dataset)
    cfg.test_evaluator, cfg.test_cfg = dict(type='IoUMetric'), dict(type='TestLoop')
    cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = None
    launch.test(cfg)  # of the source's own classifier


@pytest.mark.parametrize(
    ('surgery', 'said'),
    [
        (dict(mode='rename'), r"mode is 'rename', not one of drop, remap, keep"),
        (dict(mode='remap', names=['sky']), r"names is \['sky'\], but has to be a dict"),
        (dict(mode='remap', names=dict(moon='sky')), "'moon', which is no class of the training da"),
        (dict(mode='remap', names=dict(sky='moon')), "'moon', which is no class of the checkpoint"),
        (dict(mode='remap', source_classes='abcd'), 'no class of the training data'),
        (dict(mode='remap', source_classes=['sky', 'road']), r'row per class in decode_head\.conv'),
        (dict(mode='drop', layers=['fc']), 'no layer fc to change. Name the layers'),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_followed(start, surgery, said):
    with pytest.raises(UserError, match=said):
        start(surgery=surgery)
