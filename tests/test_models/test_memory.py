"""What stages save: the graph of one view at a time."""

import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from builders import SUPERVISION, adaptsegnet, build_adaptor, build_wrappers
from torch import Tensor, nn

from mmseg_da.models import FeatureAlignment
from mmseg_da.testing import toy_alignment, toy_batch


class Saved:
    """The bytes that autograd holds for backward, without weights and statistics."""

    def __init__(self, weights: nn.Module) -> None:
        self.ignored = {p.untyped_storage().data_ptr() for p in weights.state_dict().values()}
        self.holders: Counter[int] = Counter()
        self.live = self.peak = 0

    def add(self, tensor: Tensor, sign: int) -> None:
        storage = tensor.untyped_storage()
        if storage.data_ptr() in self.ignored:
            return
        self.holders[storage.data_ptr()] += sign
        if self.holders[storage.data_ptr()] == (1 if sign > 0 else 0):
            self.live += sign * storage.nbytes()
            self.peak = max(self.peak, self.live)


@contextmanager
def saved_bytes(weights: nn.Module) -> Iterator[Saved]:
    saved = Saved(weights)

    class Held:
        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor.detach()  # a saved output must not hold its own graph
            saved.add(tensor, 1)

        def __del__(self) -> None:
            saved.add(self.tensor, -1)

    with torch.autograd.graph.saved_tensors_hooks(Held, lambda held: held.tensor):
        yield saved


def peak_of(objectives: dict, backward: str = 'stages') -> int:
    adaptor = build_adaptor(objectives, backward=backward)
    wrappers = build_wrappers(adaptor)
    with saved_bytes(adaptor) as saved:
        adaptor.train_step(toy_batch(), wrappers)
    assert saved.live == 0
    return saved.peak


def test_stages_hold_the_larger_forward_and_summed_holds_both():
    source, target = peak_of(dict(seg=SUPERVISION)), peak_of(dict(adv=toy_alignment()))
    both = dict(seg=SUPERVISION, adv=toy_alignment())
    stages, summed = peak_of(both), peak_of(both, 'summed')
    assert abs(stages - max(source, target)) <= 0.02 * stages
    assert abs(summed - (source + target)) <= 0.05 * summed
    assert summed - stages >= 0.9 * min(source, target)


def test_nothing_is_held_between_stages(monkeypatch):
    adaptor = build_adaptor(adaptsegnet())
    wrappers = build_wrappers(adaptor)
    held, features, forward = [], [], adaptor.segmentor.extract_feat

    def look_at_features(images):
        feats = forward(images)
        features.append(weakref.ref(feats[-1]))
        return feats

    def look(step, stage):
        held.append((stage.views, saved.live, [each() is None for each in features]))

    monkeypatch.setattr(adaptor.segmentor, 'extract_feat', look_at_features)
    monkeypatch.setattr(adaptor, 'end_stage', look)
    with saved_bytes(adaptor) as saved:
        adaptor.train_step(toy_batch(), wrappers)
    assert held == [
        (('source',), 0, [True]),
        (('target',), 0, [True, True]),
        ((), 0, [True, True]),
    ]
    assert saved.peak > 100_000


def test_a_pointwise_rival_holds_one_domain_at_a_time(monkeypatch):
    def peak() -> int:
        rival = dict(type='PointwiseDiscriminator', channels=(64, 64), dropout=0.0)
        align = dict(type='FeatureAlignment', discriminator=rival, gate=None)
        adaptor = build_adaptor(dict(align=align, seg=SUPERVISION), type='AlternatingAdaptor')
        wrappers = build_wrappers(adaptor)
        with saved_bytes(adaptor) as saved:
            logs = adaptor.train_step(toy_batch(), wrappers)
        assert {'align.loss_source', 'align.loss_target', 'align.accuracy'} <= set(logs)
        return saved.peak

    apart = peak()
    monkeypatch.setattr(FeatureAlignment, 'judges_apart', False)
    together = peak()
    assert apart <= 0.7 * together
