"""Pictures of a training: who gets them, when, of what, and that they change nothing."""

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from checkpoint_helpers import differing, load
from mmengine.hooks import Hook
from mmengine.registry import VISBACKENDS
from mmengine.visualization import BaseVisBackend
from rank_helpers import free_port, start_rank
from torch import nn

from mmseg_da.engine import AdaptationViewHook
from mmseg_da.engine.hooks.adaptation_view_hook import at_rest
from mmseg_da.engine.launch import build_runner, train
from mmseg_da.errors import UserError
from mmseg_da.models import DomainAdaptor
from mmseg_da.registry import MODELS

VIEW = 'default_hooks.adaptation_view'
RED, SIDEWALK = [255, 0, 0], [244, 35, 232]


class Recorder(BaseVisBackend):
    """A backend that keeps what it gets."""

    got: list[tuple[str, np.ndarray, int]] = []

    def _init_env(self):
        pass

    @property
    def experiment(self):
        return self

    def add_image(self, name, image, step=0, **kwargs):
        self.got.append((name, image.copy(), step))


class Poster(DomainAdaptor):
    """A model of somebody else's, which shows a red image that is too bright, and class 1."""

    def pictures(self, data):
        assert not self.segmentor.backbone.training
        assert len(data['source']['inputs']) == 1
        red = torch.tensor([400.0, -50.0, -50.0]).view(1, 3, 1, 1).expand(1, 3, 20, 60)
        return dict(mine=dict(red=red, classes=torch.ones(1, 20, 60, dtype=torch.long)))


class Silent(DomainAdaptor):
    """A model that has nothing to show."""

    def pictures(self, data):
        return {}


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    Recorder.got.clear()
    VISBACKENDS.register_module(module=Recorder)
    for kind in (Poster, Silent):
        MODELS.register_module(module=kind)
    yield
    VISBACKENDS.module_dict.pop('Recorder')
    for kind in (Poster, Silent):
        MODELS.module_dict.pop(kind.__name__)


@pytest.fixture
def run(short_config):
    """Train a few iterations; gives the runner."""

    def start(work_dir: Path, iterations: int = 2, hook: Hook | None = None, **options):
        backends = [dict(type='LocalVisBackend'), dict(type='Recorder')]
        cfg = short_config(
            work_dir,
            **{
                'train_cfg.max_iters': iterations,
                'train_cfg.val_interval': 100,
                'default_hooks.checkpoint.interval': iterations,
                'visualizer.vis_backends': backends,
                f'{VIEW}.interval': 2,
            }
            | options,
        )
        runner = build_runner(cfg)
        if hook is not None:
            runner.register_hook(hook)
        runner.train()
        return runner

    return start


def share(picture, colour):
    return (abs(picture.astype(int) - colour).max(-1) <= 2).mean()


def read(path):
    return cv2.imread(str(path))[..., ::-1]


@pytest.mark.stack
def test_every_backend_gets_a_panel_when_it_is_time(run, tmp_path):
    runner = run(tmp_path, iterations=5)
    assert [(name, step) for name, _, step in Recorder.got] == [
        ('adaptation', 2),
        ('adaptation', 4),
    ]
    folder = tmp_path / runner.timestamp / 'vis_data/vis_image'
    assert sorted(path.name for path in folder.iterdir()) == [
        'adaptation_2.png',
        'adaptation_4.png',
    ]
    for _, image, step in Recorder.got:
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(read(folder / f'adaptation_{step}.png'), image)
    assert not np.array_equal(Recorder.got[0][1], Recorder.got[1][1])
    panel, sheet = Recorder.got[0][1], read(tmp_path / 'sheet.png')
    assert sheet.shape[1] == panel.shape[1]
    assert sheet.shape[0] > 3 * panel.shape[0]  # four samples
    assert list(runner.train_dataloader.dataset.metainfo['palette'][1]) == SIDEWALK
    assert share(panel, SIDEWALK) > 0.001  # in the ground truth and the legend


@pytest.mark.stack
@pytest.mark.parametrize(
    'switch', [{f'{VIEW}.interval': 0}, {f'{VIEW}.interval': None}, {VIEW: None}]
)
def test_it_can_be_turned_off(run, tmp_path, switch):
    options = {f'{VIEW}.interval': 1} | switch
    if VIEW in switch:
        del options[f'{VIEW}.interval']
    run(tmp_path, **options)
    assert Recorder.got == []
    assert not (tmp_path / 'sheet.png').exists()


def test_a_negative_interval_is_told():
    for options in (dict(interval=-1), dict(samples=-2)):
        with pytest.raises(UserError, match=r'adaptation_view.*-[12]'):
            AdaptationViewHook(**options)


def test_a_model_of_somebody_elses_is_drawn_in_its_colours(run, tmp_path):
    run(tmp_path, **{'model.type': 'Poster', f'{VIEW}.samples': 100})
    panel = Recorder.got[0][1]
    assert share(panel, RED) == pytest.approx(share(panel, SIDEWALK), rel=0.1)
    assert share(panel, RED) > 0.2
    assert share(panel, [0, 0, 255]) < 0.001  # not turned round
    sheet = read(tmp_path / 'sheet.png')
    reds = (abs(sheet.astype(int) - RED).max(-1) <= 2)[:, sheet.shape[1] // 4]
    assert (np.diff(reds.astype(int)) == 1).sum() == 6  # one row for each of the six images


def test_a_model_that_shows_nothing_is_not_drawn(run, tmp_path):
    run(tmp_path, **{'model.type': 'Silent'})
    assert Recorder.got == []
    assert not (tmp_path / 'sheet.png').exists()


@pytest.mark.stack
def test_a_training_is_the_same_bit_for_bit_with_and_without_it(run, tmp_path):
    norm = dict(type='BN', _delete_=True)
    options = {
        'model.segmentor.backbone.norm_cfg': norm,  # statistics that a forward would move
        'model.segmentor.decode_head.norm_cfg': norm,
    }
    losses = []
    for name, interval in (('with', 1), ('without', 0)):
        runner = run(tmp_path / name, 4, **{f'{VIEW}.interval': interval}, **options)
        log = tmp_path / name / runner.timestamp / 'vis_data/scalars.json'
        rows = [json.loads(row) for row in log.read_text().splitlines()]
        losses.append([{k: v for k, v in row.items() if 'time' not in k} for row in rows])
    assert len(Recorder.got) == 4
    ours, theirs = (load(tmp_path / name / 'iter_4.pth') for name in ('with', 'without'))
    assert any('running_mean' in key for key in ours['state_dict'])
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(ours[key], theirs[key]) == []
    assert losses[0] == losses[1]


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def test_modes_and_random_states_come_back():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)))
    model.train()
    model[1][1].eval()
    modes = [module.training for module in model.modules()]
    before, mean = states(), model[0].running_mean.clone()
    with at_rest(model):
        assert not any(module.training for module in model.modules())
        random.random()
        np.random.rand()
        assert not model(torch.rand(4, 2).requires_grad_()).requires_grad
    assert [module.training for module in model.modules()] == modes
    assert states() == before
    assert torch.equal(model[0].running_mean, mean)
    assert torch.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), at_rest(model):
        raise ZeroDivisionError
    assert [module.training for module in model.modules()] == modes


class Terminate(Hook):
    """Tells the training to end, as a cluster does."""

    def after_train_iter(self, runner, *_, **__):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_training_that_is_told_to_end_loses_no_time_with_a_sheet(run, tmp_path):
    runner = run(tmp_path, 4, Terminate())
    assert runner.train_loop.told_to_end
    assert runner.iter < 4
    assert not (tmp_path / 'sheet.png').exists()


def test_a_sheet_that_cannot_be_written_stops_nothing(run, tmp_path):
    (tmp_path / 'sheet.png').mkdir()
    runner = run(tmp_path)
    assert runner.iter == 2
    (log,) = tmp_path.rglob('*.log')
    assert f'{tmp_path / "sheet.png"}: cannot write the picture' in log.read_text()


def draw_on_a_rank(rank, port, out):
    start_rank(rank, port)

    class Runner:
        """What the hook reads of one until it draws."""

        iter = 0

        @property
        def model(self):
            Path(f'{out}{rank}').touch()
            raise ZeroDivisionError

    try:
        AdaptationViewHook(interval=1).after_train_iter(Runner(), 0)
    except ZeroDivisionError:
        assert rank == 0
    dist.destroy_process_group()


def test_only_the_main_process_draws(tmp_path):
    mp.spawn(draw_on_a_rank, args=(free_port(), str(tmp_path / 'rank')), nprocs=2)
    assert [path.name for path in tmp_path.iterdir()] == ['rank0']


@pytest.mark.slow
@pytest.mark.stack
def test_each_stage_draws_into_its_own_folder(short_config, tmp_path):
    short = dict.fromkeys(
        (f'stages.{name}.train_cfg.max_iters' for name in ('source', 'translate')), 2
    )
    options = {'stages.segment': None, 'stages.align': None, f'{VIEW}.interval': 2}
    options['stages.translate.model.semantics.weight'] = 1.0
    train(short_config(tmp_path, 'small/cycada_toy', **short, **options))
    panels = {}
    for stage in ('source', 'translate'):
        assert (tmp_path / stage / 'sheet.png').is_file()
        (found,) = (tmp_path / stage).rglob('adaptation_*.png')
        assert found.name == 'adaptation_2.png'
        panels[stage] = read(found)
        (log,) = (tmp_path / stage).rglob('scalars.json')
        assert '"step": 2' in log.read_text()
    assert panels['translate'].shape[1] > 1.5 * panels['source'].shape[1]  # five columns, not three
