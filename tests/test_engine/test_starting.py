"""What stops a run at its start is told by part; what stops it later keeps its traceback."""

import pytest
from mmengine.hooks import Hook

from mmseg_da.engine import launch
from mmseg_da.errors import UserError
from mmseg_da.registry import HOOKS


@HOOKS.register_module()
class Breaks(Hook):
    """Raises at one point of a training."""

    priority = 'LOWEST'

    def __init__(self, where: str) -> None:
        setattr(self, where, self.fail)

    def fail(self, *_, **__):
        raise ZeroDivisionError('as told')


@pytest.fixture
def training(short_config, tmp_path):
    """Train the toy config with an error at a point; gives the work_dir."""

    def run(where):
        cfg = short_config(tmp_path / 'w')
        cfg.custom_hooks = [dict(type='Breaks', where=where)]
        launch.train(cfg)

    return run, tmp_path / 'w'


@pytest.mark.parametrize('where', ['before_run', 'before_train', 'before_train_iter'])
def test_an_error_of_the_first_iteration_is_told_and_leaves_nothing(training, where):
    run, work_dir = training
    with pytest.raises(UserError, match='the first training iteration failed: ZeroDivisionError'):
        run(where)
    assert not work_dir.exists()


def test_an_error_of_the_first_validation_is_told_and_keeps_the_training(training):
    run, work_dir = training
    with pytest.raises(UserError, match='the first validation iteration failed: ZeroDivision'):
        run('before_val_iter')
    assert (work_dir / 'iter_2.pth').is_file()
    assert list(work_dir.glob('*/*.log'))


@pytest.mark.parametrize('where', ['after_train_iter', 'after_val_iter', 'after_run'])
def test_a_later_error_is_not_the_configs(training, where):
    run, work_dir = training
    with pytest.raises(ZeroDivisionError, match='as told'):
        run(where)
    assert list(work_dir.glob('*/*.log'))


def test_what_was_in_the_folder_before_stays(training):
    run, work_dir = training
    old = work_dir / '20250101_000000'
    old.mkdir(parents=True)
    with pytest.raises(UserError, match='the first training iteration failed'):
        run('before_train')
    assert list(work_dir.iterdir()) == [old]


@pytest.mark.parametrize('runner', ['Runner', 'DomainAdaptationRunner'])
def test_a_runner_that_would_ignore_the_stages_is_refused(short_config, tmp_path, runner):
    cfg = short_config(tmp_path / 'w')
    cfg.stages, cfg.runner_type = dict(first=dict()), runner
    with pytest.raises(UserError, match=f"runner_type='{runner}' does not know `stages`"):
        launch.train(cfg)
    assert not (tmp_path / 'w').exists()
