"""Both the segmentor and its teacher are scored in one training, which goes on as without."""

import pytest
from checkpoint_helpers import differing, load

from mmseg_da.engine.launch import build_runner
from mmseg_da.errors import UserError

HOOK = dict(type='TeacherValidationHook')
NAMES = ('aAcc', 'mIoU', 'mAcc')


@pytest.fixture
def train(short_config, plainly_written, tmp_path):
    """Four iterations of DACS with validation after two; gives the scores after the last."""

    def run(folder: str, hooks: list, **options) -> dict[str, float]:
        own = {'train_cfg.max_iters': 4, 'custom_hooks': hooks} | options
        runner = build_runner(short_config(tmp_path / folder, 'small/dacs_toy', **own))
        runner.train()
        scalars = runner.message_hub.log_scalars
        return {
            name.removeprefix('val/'): scalars[name].current()
            for name in scalars
            if name.startswith('val/')
        }

    return run


@pytest.mark.stack
def test_both_are_scored_and_the_training_is_the_same(train, tmp_path):
    plain, both = train('plain', []), train('both', [HOOK])
    assert {f'teacher.{name}' for name in NAMES} <= set(both)
    assert {name: both[name] for name in NAMES} == {name: plain[name] for name in NAMES}
    one, other = (load(tmp_path / name / 'iter_4.pth') for name in ('plain', 'both'))
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(one[key], other[key]) == []
    log = next((tmp_path / 'both').glob('*/*.log')).read_text()
    assert 'teacher.mIoU: ' in log


def test_the_scores_are_those_of_the_networks(train):
    student = train('both', [HOOK])
    teacher = train('asked', [HOOK], **{'model.teacher.predicts': True})
    for name in NAMES:
        assert teacher[name] == student[f'teacher.{name}']
        assert teacher[f'segmentor.{name}'] == student[name]
    assert any(student[name] != student[f'teacher.{name}'] for name in NAMES)


def test_the_best_teacher_may_be_kept(train, tmp_path):
    train('best', [HOOK], **{'default_hooks.checkpoint.save_best': 'teacher.mIoU'})
    assert len(list((tmp_path / 'best').glob('best_teacher*.pth'))) == 1


def test_a_model_without_a_teacher_is_told(short_config, plainly_written, tmp_path):
    cfg = short_config(tmp_path, 'small/adaptsegnet_toy', custom_hooks=[HOOK])
    with pytest.raises(UserError, match='TeacherValidationHook: the model has no teacher'):
        build_runner(cfg).train()
