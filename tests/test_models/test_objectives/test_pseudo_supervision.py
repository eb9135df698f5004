"""Cross-entropy on pseudo labels: values by hand, padding, waits and bad input."""

import pytest
import torch
import torch.nn.functional as F
from builders import SUPERVISION, build_adaptor, build_wrappers
from host_sync import Watch
from mmengine.structures import PixelData

from mmseg_da.errors import UserError
from mmseg_da.testing import toy_batch, toy_pspnet
from mmseg_da.testing.toys import TARGET_SIZE

PSEUDO = dict(type='PseudoSupervision')


def batch_with(labels=None, seed=0):
    batch = toy_batch(seed=seed)
    rng = torch.Generator().manual_seed(seed)
    for sample in batch['target']['data_samples']:
        drawn = torch.randint(0, 4, (1, *TARGET_SIZE), generator=rng)
        sample.pseudo_sem_seg = PixelData(data=drawn if labels is None else labels.clone())
    return batch


def losses_of(batch, objective=PSEUDO, dtype=torch.float32):
    adaptor = build_adaptor(dict(seg=SUPERVISION, pseudo=objective)).to(dtype)
    step = adaptor.begin_step(adaptor.data_preprocessor(batch, training=True))
    with step.opened(('target',)):
        losses = adaptor.objectives['pseudo'].losses(step)
        scores = step.target.dense.logits
    return losses, scores


def test_it_is_the_mean_over_labelled_pixels_of_the_batch():
    labels = torch.full((1, *TARGET_SIZE), 255)
    labels[0, 0, :3] = torch.tensor([1, 2, 2])
    losses, scores = losses_of(batch_with(labels), PSEUDO | dict(heads=dict(decode=2.0)))
    up = F.interpolate(scores['decode'], TARGET_SIZE, mode='bilinear').log_softmax(dim=1)
    picked = [up[image, c, 0, x] for image in range(2) for x, c in enumerate((1, 2, 2))]
    expected = -2.0 * torch.stack(picked).mean()
    assert losses['decode.loss_ce'].item() == pytest.approx(expected.item(), rel=1e-5)
    share = 3 / (TARGET_SIZE[0] * TARGET_SIZE[1])
    assert losses['labelled'].item() == pytest.approx(share)


def test_nothing_labelled_is_zero_with_zero_gradients():
    labels = torch.full((1, *TARGET_SIZE), 255)
    losses, scores = losses_of(batch_with(labels))
    assert losses['decode.loss_ce'].item() == 0.0
    (gradient,) = torch.autograd.grad(losses['decode.loss_ce'], scores['decode'])
    assert gradient.abs().max() == 0.0


def test_images_smaller_than_the_batch_are_padded_with_nothing_to_learn():
    height, width = TARGET_SIZE
    batch = batch_with()
    for number in range(2):
        batch['target']['inputs'][number] = batch['target']['inputs'][number][:, :-8, :-16]
        sample = batch['target']['data_samples'][number]
        sample.pseudo_sem_seg = PixelData(data=sample.pseudo_sem_seg.data[:, :-8, :-16])
    losses, _ = losses_of(batch)
    share = (height - 8) * (width - 16) / (height * width)
    assert losses['labelled'].item() == pytest.approx(share)


def test_it_does_not_wait_for_the_device():
    adaptor = build_adaptor(dict(seg=SUPERVISION, pseudo=PSEUDO | dict(heads=dict(aux=1.0))))
    wrappers = build_wrappers(adaptor)
    adaptor.train_step(batch_with(), wrappers)
    batch = batch_with(seed=1)
    with Watch() as watch:
        adaptor.train_step(batch, wrappers)
    assert watch.ours == []


def test_half_precision_gives_a_finite_loss():
    with torch.autocast('cpu', torch.bfloat16):
        losses, _ = losses_of(batch_with())
    assert losses['decode.loss_ce'].dtype == torch.float32
    assert losses['decode.loss_ce'].isfinite()


def test_the_step_lowers_its_loss():
    adaptor = build_adaptor(dict(seg=SUPERVISION, pseudo=PSEUDO))
    wrappers = build_wrappers(adaptor)
    labels = torch.arange(TARGET_SIZE[1])[None, None].repeat(1, TARGET_SIZE[0], 1) // 20
    logged = [
        adaptor.train_step(batch_with(labels), wrappers)['pseudo.decode.loss_ce'].item()
        for _ in range(15)
    ]
    assert logged[-1] < 0.7 * logged[0]


def test_what_does_not_fit_is_told():
    with pytest.raises(UserError, match=r"no head 'main', only \['aux', 'decode'\]"):
        build_adaptor(dict(seg=SUPERVISION, pseudo=PSEUDO | dict(heads=dict(main=1.0))))
    segmentor = toy_pspnet()
    segmentor['decode_head'] |= dict(
        num_classes=2,
        out_channels=1,
        threshold=0.3,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
    )
    with pytest.raises(UserError, match='PseudoSupervision needs two channels or more'):
        build_adaptor(dict(seg=SUPERVISION, pseudo=PSEUDO), segmentor)
    with pytest.raises(UserError, match="no pseudo labels: add dict\\(type='LoadPseudoLabels'"):
        losses_of(toy_batch())
