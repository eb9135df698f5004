"""DAFormer's training goes on exactly: the frozen encoder, rare classes, teacher and warm-up."""

from pathlib import Path

import pytest
import torch
from checkpoint_helpers import differing, load

from mmseg_da.engine.launch import build_runner

pytestmark = pytest.mark.usefixtures('plainly_written')
ENCODER = 'objectives.fd.encoder.'
WARM_UP = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=4, by_epoch=False),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=0, end=7, by_epoch=False),
]


@pytest.fixture
def train(short_config):
    """Train DAFormer's objectives on the toys up to an iteration; gives the runner."""

    def run(work_dir: Path, iterations: int, **options):
        fixed = {
            'train_cfg.max_iters': iterations,
            'train_cfg.val_interval': 100,
            'default_hooks.checkpoint.max_keep_ckpts': -1,
            'train_dataloader.dataset.rare_classes': dict(min_pixels=300, temperature=0.05),
        }
        cfg = short_config(work_dir, 'small/dacs_toy', **(fixed | options))
        things = dict(type='FeatureDistance', things=['car', 'person'], min_share=0.3)
        cfg.model.objectives.fd = things | dict(loss_weight=0.05)
        cfg.model.objectives.mix.threshold = 0.2
        cfg.param_scheduler = WARM_UP
        runner = build_runner(cfg)
        runner.train()
        return runner

    return run


def encoder_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    state = load(checkpoint)['state_dict']
    return {k[len(ENCODER) :]: v for k, v in state.items() if k.startswith(ENCODER)}


def backbone_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    state, ours = load(checkpoint)['state_dict'], 'segmentor.backbone.'
    return {k[len(ours) :]: v for k, v in state.items() if k.startswith(ours)}


@pytest.mark.stack
def test_six_iterations_equal_four_and_two(train, tmp_path):
    train(tmp_path / 'whole', 6)
    train(tmp_path / 'parts', 4)
    runner = train(tmp_path / 'parts', 6, resume=True)
    one, other = (load(tmp_path / part / 'iter_6.pth') for part in ('whole', 'parts'))
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(one[key], other[key]) == []
    first, last = (encoder_of(tmp_path / f'whole/iter_{n}.pth') for n in (2, 6))
    assert first
    assert differing(first, last) == []
    assert differing(last, backbone_of(tmp_path / 'whole/iter_6.pth')) != []
    logged = runner.message_hub.get_scalar('train/fd.cells').data[0]
    assert min(logged) > 0
    assert len(logged) == 6  # the log goes on, too


def test_weights_to_start_from_leave_the_encoder_as_it_was(train, tmp_path):
    """A plain segmentor fills the segmentor; the encoder keeps what ``init_cfg`` gave."""
    train(tmp_path / 'one', 2)
    state = load(tmp_path / 'one/iter_2.pth')['state_dict']
    ours = 'segmentor.'
    plain = {k[len(ours) :]: v + 1 for k, v in state.items() if k.startswith(ours)}
    torch.save(dict(state_dict=plain), tmp_path / 'plain.pth')
    train(tmp_path / 'two', 2, load_from=str(tmp_path / 'plain.pth'))
    one, two = (encoder_of(tmp_path / part / 'iter_2.pth') for part in ('one', 'two'))
    assert differing(one, two) == []
    moved = differing(one, backbone_of(tmp_path / 'two/iter_2.pth'))
    assert len(moved) > len(one) / 2
