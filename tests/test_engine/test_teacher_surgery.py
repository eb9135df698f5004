"""A teacher of other classes than the training that starts from it."""

import pytest
from checkpoint_helpers import load
from finetune_helpers import (
    OTHER_CLASSES,
    SOURCE_CLASSES,
    adaptor_settings,
    plain_config,
    trained,
)

pytestmark = pytest.mark.stack


def taught_settings(data, classes):
    """Those of an adaptor with a teacher."""
    settings = adaptor_settings(data, classes)
    settings['model']['teacher'] = dict(alpha=0.999)
    return settings


@pytest.fixture(scope='module')
def taught(toy_data, tmp_path_factory):
    """A checkpoint of the source classes with a teacher that has learned for three iterations."""
    work_dir = tmp_path_factory.mktemp('taught')
    options = taught_settings(toy_data, SOURCE_CLASSES)
    trained(plain_config(toy_data, work_dir, SOURCE_CLASSES, 3, **options))
    return work_dir / 'iter_3.pth'


@pytest.mark.parametrize(
    ('classes', 'surgery', 'anew'),
    [
        (OTHER_CLASSES, dict(mode='drop'), True),
        (OTHER_CLASSES, dict(mode='remap'), True),
        (('road', 'sky', 'car', 'person'), dict(mode='remap'), False),  # another order
        (SOURCE_CLASSES, dict(mode='keep'), False),
        (('road', 'car', 'sky'), None, True),  # mmengine leaves out what does not fit
    ],
)
def test_a_teacher_of_other_classes_starts_as_the_copy_of_the_segmentor(
    toy_data, tmp_path, taught, classes, surgery, anew
):
    theirs = load(taught)['state_dict']
    assert theirs['teacher.steps'] == 3
    options = taught_settings(toy_data, classes) | dict(load_from=str(taught))
    if surgery is not None:
        options['custom_hooks'] = [dict(type='ClassSurgeryHook', **surgery)]
    runner, snapshot = trained(plain_config(toy_data, tmp_path, classes, 1, **options))
    taught_now, before = runner.model.state_dict(), snapshot.weights
    assert taught_now['teacher.steps'] == (1 if anew else 4)
    names = [name for name, _ in runner.model.segmentor.named_parameters()]
    gap = {n: taught_now[f'teacher.net.{n}'] - before[f'segmentor.{n}'] for n in names}
    assert all(not each.any() for each in gap.values()) is anew
