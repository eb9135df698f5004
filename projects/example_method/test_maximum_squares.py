"""The example of a method from outside: its numbers, its mistakes, and a training elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from maximum_squares import maximum_squares
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

import mmseg_da
from mmseg_da.errors import UserError
from mmseg_da.registry import MODELS
from mmseg_da.testing import (
    toy_adaptor,
    toy_batch,
    toy_domains,
    toy_optim_wrapper,
    toy_pspnet,
)

HERE = Path(__file__).resolve().parent
TRAIN = HERE.parents[1] / 'tools/train.py'
ALPHAS = [0.0, 0.2, 1.0]


def literal(logits, alpha):
    """Loss and gradient of one batch, pixel by pixel in Python numbers."""
    number, classes, height, width = logits.shape
    loss, gradient = 0.0, torch.zeros_like(logits)
    places = [(y, x) for y in range(height) for x in range(width)]
    for image, slopes in zip(logits, gradient, strict=True):
        predicted = {place: int(image[(slice(None), *place)].argmax()) for place in places}
        for place in places:
            odds = [float(each.exp()) for each in image[(slice(None), *place)]]
            probs = [each / sum(odds) for each in odds]
            squares = sum(each**2 for each in probs)
            alike = list(predicted.values()).count(predicted[place])
            weight = 1 / (2 * alike**alpha * len(places) ** (1 - alpha) * number)
            loss -= weight * squares
            for c in range(classes):
                slopes[(c, *place)] = -2 * weight * probs[c] * (probs[c] - squares)
    return loss, gradient


@pytest.mark.parametrize('alpha', ALPHAS)
def test_loss_and_gradient_equal_the_formula(alpha):
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 5, 3, dtype=torch.double, requires_grad=True)
    loss = maximum_squares(logits, alpha)
    loss.backward()
    expected, gradient = literal(logits.detach(), alpha)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(logits.grad, gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(('scores', 'expected'), [([0.0] * 4, -0.125), ([90.0, 0, 0, 0], -0.5)])
@pytest.mark.parametrize('alpha', ALPHAS)
def test_values_by_hand(scores, expected, alpha):
    logits = torch.tensor(scores).view(1, 4, 1, 1).expand(3, 4, 6, 7)
    assert maximum_squares(logits, alpha).item() == pytest.approx(expected)


def test_a_rare_class_counts_for_more():
    logits = torch.zeros(1, 2, 10, 10, requires_grad=True)
    rare = torch.zeros(10, 10, dtype=torch.bool)
    rare[0] = True
    with torch.no_grad():
        logits[0, 0] = torch.where(rare, -1.0, 1.0)
    maximum_squares(logits, 1.0).backward()
    slopes = logits.grad[0].abs().sum(0)
    assert slopes[rare].mean() / slopes[~rare].mean() == pytest.approx(9, rel=1e-5)


def test_it_is_finite_in_half_precision():
    logits = torch.tensor([float('inf'), 0.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3).half()
    assert maximum_squares(logits, 0.2).item() == pytest.approx(-0.5)


def adaptor_of(**settings):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    squares = dict(type='MaximumSquares') | settings
    adaptor = MODELS.build(toy_adaptor(toy_pspnet(), dict(squares=squares)))
    adaptor.init_weights()
    return adaptor.train()


@pytest.mark.parametrize('head', ['decode', 'aux'])
def test_it_makes_the_target_certain(head):
    adaptor = adaptor_of(head=head, alpha=0.0, loss_weight=1.0)
    classifier = adaptor.segmentor.get_submodule(
        dict(decode='decode_head', aux='auxiliary_head')[head]
    )
    classifier.conv_seg.bias.data[0] = 1.0  # where all classes are alike there is no gradient
    wrapper = build_optim_wrapper(adaptor, toy_optim_wrapper(rivals=False))
    logs = [adaptor.train_step(toy_batch(), wrapper)['squares.loss_squares'] for _ in range(10)]
    assert logs[-1] < 1.2 * logs[0] < 0


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(alpha=1.5), r'MaximumSquares: alpha=1\.5 must be in \[0, 1\]'),
        (dict(alpha=-1), r'alpha=-1 must be in \[0, 1\]'),
        (dict(head='neck'), "MaximumSquares: the segmentor has no head 'neck'"),
    ],
)
def test_a_mistake_is_named(settings, message):
    with pytest.raises(UserError, match=message):
        adaptor_of(**settings)


def train(folder, *options):
    """Run tools/train.py in a folder, in a process of its own."""
    toy_domains.make_toy_domains(folder / 'data/toy', train=4, val=1)
    short = ['train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'train_dataloader.batch_size=2']
    short += ['default_hooks.checkpoint.interval=2', 'default_hooks.logger.interval=1']
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        short += [f'{loader}.num_workers=0', f'{loader}.persistent_workers=False']
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ('MMSEG_DA_DATA', 'PYTHONPATH')
    }
    environment['PYTHONPATH'] = str(Path(mmseg_da.__file__).parents[1])
    return subprocess.run(
        [sys.executable, str(TRAIN), str(HERE / 'config.py'), '--cfg-options', *short, *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.stack
def test_it_trains_from_another_folder(tmp_path):
    done = train(tmp_path)
    assert done.returncode == 0, done.stderr
    (log,) = tmp_path.glob('work_dirs/config/*/vis_data/scalars.json')
    rows = [json.loads(row) for row in log.read_text().splitlines()]
    for row in rows[:2]:
        assert -0.08 < row['squares.loss_squares'] < 0 < row['seg.decode.loss_ce']
    assert 'mIoU' in rows[-1]
    assert (tmp_path / 'work_dirs/config/iter_2.pth').is_file()


def test_a_mistake_in_its_config_ends_in_one_message(tmp_path):
    done = train(tmp_path, 'model.objectives.squares.alpha=2')
    assert done.returncode == 2
    assert 'MaximumSquares: alpha=2 must be in [0, 1]' in done.stderr
    assert 'Traceback' not in done.stderr
    assert not (tmp_path / 'work_dirs').exists()
