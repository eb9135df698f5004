"""Settings of the teacher, DACS and MIC that cannot be: one message, nothing written."""

import pytest
from tool_helpers import ROOT, SHORT

DACS, MIC = (str(ROOT / f'configs/small/{name}_toy.py') for name in ('dacs', 'mic'))
MIX, MASK = 'model.objectives.mix', 'model.objectives.mask'


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('teacher.alpha=1.0', 'model.teacher.alpha is 1.0, but has to be in [0, 1)'),
        ('teacher.alpha=-0.1', 'model.teacher.alpha is -0.1'),
        ('teacher.alpha=slow', "model.teacher.alpha is 'slow'"),
        ('teacher.momentum=0.01', "model.teacher has no 'momentum', only ['alpha'"),
        ('teacher.batch_norm=sync', "model.teacher.batch_norm is 'sync', none of ['own'"),
        ('teacher.dropout=0.1', 'model.teacher.dropout is 0.1, but has to be True or False'),
        ('teacher.predicts=teacher', "model.teacher.predicts is 'teacher'"),
        ('teacher=0.999', 'model.teacher is 0.999'),
        ('teacher=None', 'model.objectives.mix: SelfTraining learns from a teacher'),
    ],
)
def test_a_wrong_teacher_is_told(refused, option, said):
    assert said in refused('train.py', DACS, '--cfg-options', *SHORT, f'model.{option}')


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('threshold=96.8', 'SelfTraining: threshold is 96.8, but has to be in [0, 1]'),
        ('threshold=high', "SelfTraining: threshold is 'high'"),
        ('quality=mean', "SelfTraining: quality is 'mean', but has to be one of ['batch'"),
        ('classes=all', "SelfTraining: classes is 'all', but has to be one of ['image'"),
        ('ignore_top=1.5', 'SelfTraining: ignore_top is 1.5, but has to be rows'),
        ('ignore_bottom=-1', 'SelfTraining: ignore_bottom is -1'),
        ('jitter_prob=8', 'SelfTraining: jitter_prob is 8'),
        ('blur_prob=-0.5', 'SelfTraining: blur_prob is -0.5'),
        ('heads.auxiliary=1.0', "SelfTraining: the segmentor has no head 'auxiliary'"),
        ('heads=decode', "SelfTraining: heads is 'decode'"),
        ('heads.decode=-1', 'SelfTraining: heads is '),
        ('heads.decode=much', "heads is {'decode': 'much'}, but has to be a dict of the weight"),
        ('loss_weight=much', "model.objectives.mix.loss_weight is 'much'"),
        ('tau=0.9', 'tau'),
    ],
)
def test_a_wrong_self_training_is_told(refused, option, said):
    assert said in refused('train.py', DACS, '--cfg-options', *SHORT, f'{MIX}.{option}')


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('ratio=1.0', 'MaskedConsistency: ratio is 1.0, but has to be in [0, 1)'),
        ('ratio=-0.1', 'MaskedConsistency: ratio is -0.1'),
        ('block=0', 'MaskedConsistency: block is 0, but has to be a whole number above 0'),
        ('block=32.5', 'MaskedConsistency: block is 32.5'),
        ('images=all', "MaskedConsistency: images is 'all', but has to be one of ['target'"),
        ('augment=0.5', 'MaskedConsistency: augment is 0.5, but has to be True or False'),
        ('mask_ratio=0.7', 'mask_ratio'),
    ],
)
def test_a_wrong_mask_is_told(refused, option, said):
    assert said in refused('train.py', MIC, '--cfg-options', *SHORT, f'{MASK}.{option}')


def test_a_mask_without_a_teacher_is_told(refused):
    options = [f'{MIX}=None', 'model.teacher=None']
    said = refused('train.py', MIC, '--cfg-options', *SHORT, *options)
    assert 'model.objectives.mask: MaskedConsistency learns from a teacher' in said
    assert 'set model.teacher=dict(alpha=0.999)' in said


def test_domains_of_different_sizes_are_told(refused):
    """In the first iteration, after which there is no folder of the run either."""
    sizes = ['model.data_preprocessor.source.size=(128,192)']
    said = refused('train.py', DACS, '--cfg-options', *SHORT, *sizes)
    assert 'SelfTraining: source images are 2x128x192, target images 2x96x192' in said
    assert 'crop both pipelines to one size and set model.data_preprocessor.size' in said


def test_both_domains_need_two_images(refused):
    options = ['train_dataloader.batch_size=1', f'{MASK}.images=both']
    said = refused('train.py', MIC, '--cfg-options', *SHORT, *options)
    assert "MaskedConsistency: images is 'both', but has to be 'target' for batches of one" in said


def test_testing_tells_it_as_well(refused, trained):
    options = ['--cfg-options', *SHORT, 'model.teacher.alpha=2.0']
    assert 'model.teacher.alpha is 2.0' in refused(
        'test.py', DACS, trained / 'iter_2.pth', *options
    )
