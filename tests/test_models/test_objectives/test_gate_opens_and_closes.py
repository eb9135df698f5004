"""The gate of FeatureAlignment on two domains that differ by a known change of colours."""

import copy

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_da.testing import toy_optim_wrapper, toy_preprocessor, toy_pspnet

SIZE = (32, 32)
COLOURS = torch.tensor([[220.0, 60, 60], [60, 220, 60], [60, 60, 220], [200, 200, 60]])
LOOK = toy_preprocessor() | dict(source=dict(size=SIZE), target=dict(size=SIZE))
RIVAL = dict(type='PointwiseDiscriminator', channels=(16, 8), dropout=0.0)
GATE, WINDOW, ITERATIONS = 0.6, 10, 48


def darker(pixels: Tensor) -> Tensor:
    """The look of the target."""
    return 0.5 * pixels + torch.tensor([40.0, 0, 80])[:, None, None]


def batch(seed: int, num: int = 4) -> dict:
    """Four squares per image in the colours of their classes, with noise."""
    rng = torch.Generator().manual_seed(seed)

    def domain(is_source):
        classes = torch.randint(4, (num, 1, 2, 2), generator=rng)
        labels = classes.repeat_interleave(16, 2).repeat_interleave(16, 3)
        pixels = COLOURS[labels[:, 0]].permute(0, 3, 1, 2)
        pixels = pixels if is_source else darker(pixels)
        pixels = pixels + 10 * torch.randn(pixels.shape, generator=rng)
        samples = [SegDataSample(metainfo=dict(img_shape=SIZE, ori_shape=SIZE)) for _ in labels]
        for sample, each in zip(samples, labels, strict=True):
            if is_source:
                sample.gt_sem_seg = PixelData(data=each)
        return dict(inputs=list(pixels.clamp(0, 255).byte()), data_samples=samples)

    return dict(source=domain(True), target=domain(False))


def segmentor() -> dict:
    """Without normalisation by the images at hand, which would take the look away."""
    cfg = toy_pspnet()
    cfg['backbone']['norm_eval'], cfg['decode_head']['norm_cfg'] = True, None
    return cfg | dict(auxiliary_head=None)


def adam(model: nn.Module, **rates: float):
    cfg = toy_optim_wrapper(rivals='discriminators' in rates)
    parts = {name: dict(optimizer=dict(type='Adam', lr=rate)) for name, rate in rates.items()}
    return build_wrappers(model, cfg | parts)


@pytest.fixture
def trained_on_source() -> nn.Module:
    model = build_adaptor(dict(seg=SUPERVISION), segmentor(), data_preprocessor=LOOK)
    wrappers = adam(model, segmentor=3e-3)
    for seed in range(60):
        model.train_step(batch(1000 + seed), wrappers)
    return model.segmentor


def align(start: nn.Module, gate: float) -> tuple[list[float], list[bool], list[bool]]:
    """Per iteration: the rival's accuracy, whether its gate was open, if the segmentor moved."""
    align = dict(type='FeatureAlignment', discriminator=RIVAL, loss_weight=1.0)
    align |= dict(gate=gate, gate_window=WINDOW)
    objectives = dict(align=align, seg=SUPERVISION)
    model = build_adaptor(
        objectives, segmentor(), type='AlternatingAdaptor', data_preprocessor=LOOK
    )
    model.segmentor.load_state_dict(start.state_dict())
    wrappers = adam(model, segmentor=3e-3, discriminators=3e-3)
    accuracies, opened, moved = [], [], []
    for seed in range(ITERATIONS):
        before = copy.deepcopy(list(model.segmentor.parameters()))
        logs = model.train_step(batch(seed), wrappers)
        accuracies.append(logs['align.accuracy'].item())
        opened.append(model.objectives['align'].is_open())
        after = model.segmentor.parameters()
        moved.append(any(not torch.equal(p, q) for p, q in zip(before, after, strict=True)))
    return accuracies, opened, moved


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_it_opens_on_domains_that_differ_and_closes_once_they_are_aligned(trained_on_source):
    told_apart, never, still = align(trained_on_source, gate=0.99)
    accuracies, opened, moved = align(trained_on_source, gate=GATE)
    assert not any(never)
    assert not any(still)
    assert mean(told_apart[:WINDOW]) < 0.55  # nothing is learned yet
    assert mean(told_apart[-WINDOW:]) > 0.65

    opens = opened.index(True)
    closes = opened.index(False, opens)
    assert accuracies[: opens + 1] == told_apart[: opens + 1]  # until then nothing differs
    assert opens >= WINDOW
    assert moved == opened  # the segmentor is trained while it is open, and only then
    assert mean(accuracies[closes - WINDOW + 1 : closes + 1]) <= GATE
    around = slice(closes - 2, closes + 3)  # the domains were aligned meanwhile
    assert mean(accuracies[around]) < mean(told_apart[around]) - 0.05  # 0.1 on most processors
