"""Two processes equal one on the joint batch: translation with its pools, and gated alignment."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rank_helpers import free_port, identical_on_all_ranks, share, start_rank
from torch import nn

from mmseg_da.engine import PartwiseOptimWrapperConstructor, PhasedDDP
from mmseg_da.engine.wrappers import share_buffers
from mmseg_da.registry import MODELS
from mmseg_da.testing import toy_adaptor, toy_batch, toy_preprocessor, toy_pspnet

STEPS, IMAGES = 4, 4  # images of each domain in the joint batch


def translator(semantics: dict | None = None, **settings: Any) -> dict:
    if semantics is not None:
        # Group norm: an image must not depend on the others of its batch.
        seen = dict(segmentor=toy_pspnet('GN'), data_preprocessor=toy_preprocessor())
        settings['semantics'] = seen | semantics
    return dict(
        type='CycleTranslator',
        generator=dict(type='ResnetGenerator', blocks=1, channels=4),
        discriminator=dict(type='PatchDiscriminator', channels=4, layers=1),
        data_preprocessor=toy_preprocessor() | dict(mean=[127.5] * 3, std=[127.5] * 3),
        pool_size=5,
        **settings,
    )


def alignment(**settings: Any) -> dict:
    rival = dict(type='PointwiseDiscriminator', channels=(8, 6), dropout=0.0)
    objectives = dict(
        align=dict(type='FeatureAlignment', discriminator=rival, gate_window=2) | settings,
        seg=dict(type='SourceSupervision'),
    )
    return toy_adaptor(toy_pspnet('GN'), objectives) | dict(type='AlternatingAdaptor')


CASES = {
    'translation': translator(),
    'translation, summed': translator(backward='summed', gan='vanilla', identity_weight=0.0),
    'frozen segmentor': translator(dict(target='soft')),
    'segmentor trained along': translator(dict(target='gt', frozen=False, gate=1.43)),
    'open gate': alignment(gate=0.0),
    'gate at chance': alignment(gate=0.51),
    'no gate': alignment(gate=None),
    'closed gate': alignment(gate=0.99),
}


def prepare(name: str) -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    model = MODELS.build(CASES[name])
    model.double().train()
    part = dict(optimizer=dict(type='SGD', lr=0.02, momentum=0.9))
    return model, PartwiseOptimWrapperConstructor(dict.fromkeys(model.parts(), part))(model)


def weights_of(module: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def batches():
    for seed in range(STEPS):
        batch = toy_batch(IMAGES, seed=seed)
        for sample in batch['source']['data_samples']:
            labels = sample.gt_sem_seg.data
            labels[labels == 255] = 0  # each half must have as many labels as the other
        yield seed, batch


def work(rank, port, out):
    start_rank(rank, port)
    left = {}
    for name in CASES:
        model, wrappers = prepare(name)
        wrapped = PhasedDDP(model, device_ids=[rank])
        logs = []
        for seed, batch in batches():
            torch.manual_seed(seed + 100 * rank)  # the pool's draws are those of the first
            logs.append(dict(wrapped.train_step(share(batch, rank, 2), wrappers)))
        same = identical_on_all_ranks(model)
        share_buffers(model)
        left[name] = dict(same=same, weights=dict(model.state_dict()), logs=logs)
    torch.save(left, f'{out}{rank}')
    del wrapped  # freed after its group, it may wait for a thread of that group forever
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def left(tmp_path_factory) -> list[dict]:
    """What each of two processes ends with."""
    out = Path(tmp_path_factory.mktemp('ranks')) / 'left'
    mp.spawn(work, args=(free_port(), out), nprocs=2)
    return [torch.load(f'{out}{rank}', weights_only=True) for rank in range(2)]


@pytest.mark.stack
@pytest.mark.parametrize('name', list(CASES))
def test_two_processes_equal_one(left, name):
    model, wrappers = prepare(name)
    before_by_part = {part: weights_of(module) for part, module in model.parts().items()}
    logs = []
    for seed, batch in batches():
        torch.manual_seed(seed)
        logs.append(model.train_step(batch, wrappers))
    theirs, after = left[0][name]['weights'], model.state_dict()
    assert theirs.keys() == after.keys()
    for key, value in after.items():
        assert torch.allclose(theirs[key], value, rtol=0, atol=1e-10), key
    for part, module in model.parts().items():
        moved = not torch.equal(weights_of(module), before_by_part[part])
        assert moved == (name != 'closed gate' or part != 'segmentor'), part
    assert all(each[name]['same'] for each in left)
    for ours, first, second in zip(logs, left[0][name]['logs'], left[1][name]['logs'], strict=True):
        assert ours.keys() == first.keys() == second.keys()  # the same phases, gate by gate
        for key in ours:
            assert float(first[key] + second[key]) / 2 == pytest.approx(float(ours[key]), rel=1e-6)


def test_the_cases_are_what_they_are_called(left):
    """A gate that moves, pools that are full and hand out what is old."""
    ours = left[0]
    trained = ['seg.loss' in logs for logs in ours['gate at chance']['logs']]
    assert set(trained) == {True, False}
    assert ours['translation']['weights']['pools.source.count'] == 5
    gated = [
        float(logs['source.loss_semantic']) for logs in ours['segmentor trained along']['logs']
    ]
    assert gated[0] == 0
    assert max(gated) > 0
