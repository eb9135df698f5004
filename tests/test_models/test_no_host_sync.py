"""A training step never makes the host wait for the device: on a GPU that would idle it."""

from pathlib import Path

import pytest
import torch
from builders import SUPERVISION, adaptsegnet, build_adaptor, build_wrappers
from host_sync import Watch

from mmseg_da.models.objectives import Objective
from mmseg_da.registry import MODELS
from mmseg_da.testing import toy_alignment, toy_batch, toy_pspnet, toy_segformer

# One line for each method: its objectives on the toy PSPNet.
METHODS = dict(
    source_only=lambda: dict(seg=SUPERVISION),
    adaptsegnet_single=lambda: dict(seg=SUPERVISION, adv=toy_alignment()),
    adaptsegnet_multi=adaptsegnet,
    adaptsegnet_lsgan=lambda: adaptsegnet(kind='lsgan'),
    advent=lambda: adaptsegnet(of='entropy'),
    logits=lambda: adaptsegnet(of='logits'),
    features=lambda: dict(
        seg=SUPERVISION,
        adv=toy_alignment(
            of='features',
            discriminator=dict(type='PixelDiscriminator', in_channels=32, num_convs=2),
        ),
    ),
)


def waits(objectives: dict, segmentor: dict | None = None, **others) -> Watch:
    """What waits in the second step, when every optimizer has its state."""
    adaptor = build_adaptor(objectives, segmentor, **others)
    wrappers = build_wrappers(adaptor)
    adaptor.train_step(toy_batch(seed=0), wrappers)
    batch = toy_batch(seed=1)
    with Watch(also_ours=(__file__,)) as watch:
        adaptor.train_step(batch, wrappers)
    return watch


@pytest.mark.parametrize('backward', ['stages', 'summed'])
@pytest.mark.parametrize('method', METHODS)
def test_no_method_waits(method, backward):
    assert waits(METHODS[method](), backward=backward).ours == []


def test_a_segmentor_without_auxiliary_head_does_not_wait():
    assert waits(METHODS['adaptsegnet_single'](), toy_segformer()).ours == []


def test_what_waits_elsewhere_is_known():
    found = {
        (Path(each.split(':')[0]).name, each.split()[-1]) for each in waits(adaptsegnet()).theirs
    }
    assert found == {
        ('data_preprocessor.py', 'cast_data'),  # to the device of the model, here the CPU
        ('base_data_element.py', 'to'),
        ('optimizer_wrapper.py', 'step'),  # Adam counts its steps on the CPU
    }


def test_a_wait_of_mmseg_is_not_ours():
    segmentor = toy_pspnet()
    segmentor['decode_head']['sampler'] = dict(type='OHEMPixelSampler', thresh=0.7, min_kept=100)
    found = waits(METHODS['source_only'](), segmentor)
    assert found.ours == []
    assert any('ohem_pixel_sampler.py' in each for each in found.theirs)


def _item(values):
    return values.sum().item()


WAITING = dict(
    item=_item,
    number=lambda values: float(values.sum()),
    truth=lambda values: bool((values > 0).any()),
    branch=lambda values: 1 if values.sum() > 0 else 0,
    nonzero=lambda values: (values > 0).nonzero(),
    where=lambda values: torch.where(values > 0),
    mask=lambda values: values[values > 0],
    masked_assignment=lambda values: values.clone().index_put_((values < 1e9,), values.flatten()),
    masked_select=lambda values: values.masked_select(values > 0),
    unique=lambda values: values.unique(),
    cpu=lambda values: values.cpu(),
    to_cpu=lambda values: values.to('cpu'),
    to_device=lambda values: values.to(device=torch.device('cpu')),
    numpy=lambda values: values.numpy(),
    tolist=lambda values: values.tolist(),
)


@MODELS.register_module()
class Waiting(Objective):
    """An objective that waits in one of the ways."""

    views = ('target',)

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def losses(self, step):
        logits = step.target.dense.logits['decode']
        WAITING[self.way](logits.detach())
        return dict(loss_nothing=logits.mean())


@pytest.mark.parametrize('way', WAITING)
def test_every_way_of_waiting_is_seen(way):
    (found,) = waits(dict(seg=SUPERVISION, wait=dict(type='Waiting', way=way))).ours
    assert 'test_no_host_sync.py' in found


def test_what_does_not_wait_is_not_taken_for_it():
    values = torch.randn(3, 4)
    with Watch(also_ours=(__file__,)) as watch:
        values[:, 1], values[torch.tensor([0, 2])], values.where(values > 0, 0.0)
        values.clone()[values > 0] = 1.0
        values.to(torch.float64), values.to(values), values.masked_fill(values > 0, 1.0)
    assert watch.ours == []
